"""The embedded database: one SQLite file for all processes of a machine."""

from orbit.database.sqlite.conversations import SqliteConversations
from orbit.database.sqlite.keys import SqliteKeys
from orbit.database.sqlite.transfer import SqliteTransfer

__all__ = ["SqliteDatabase"]


class SqliteDatabase(SqliteKeys, SqliteTransfer, SqliteConversations):
    """Keys, prompts and conversations in a SQLite file."""
