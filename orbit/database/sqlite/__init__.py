"""The embedded store: one SQLite file that several processes use at once."""

from orbit.database.sqlite.keys import SqliteKeys
from orbit.database.sqlite.prompts import SqlitePrompts
from orbit.database.sqlite.sessions import SqliteSessions

__all__ = ["SqliteStore"]


class SqliteStore(SqliteKeys, SqlitePrompts, SqliteSessions):
    """Keys, prompts and conversations in a SQLite file."""
