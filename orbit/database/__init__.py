"""The database of API keys, system prompts and conversations."""

from pathlib import Path

from orbit.config import Config
from orbit.config.folders import file_problems, folder_problems
from orbit.database.base import Database
from orbit.database.keys import ApiKey
from orbit.database.prompts import SystemPrompt
from orbit.errors import ConfigError, Problem

__all__ = ["ApiKey", "Database", "SystemPrompt", "database_problems", "open_database"]

_SQLITE = b"SQLite format 3\0"


def open_database(config: Config) -> Database:
    """Return the database of a configuration, not opened yet: use it with ``async with``.

    Raises ConfigError if a required package is not installed.
    """
    if config.host.mongodb.enabled:
        try:
            from orbit.database.mongodb import MongoDatabase  # noqa: PLC0415  # only the chosen backend is imported
        except ModuleNotFoundError as error:
            raise ConfigError([_not_installed(error)]) from error
        return MongoDatabase(config.host.mongodb, config.data_dir / "mongodb-changes")
    from orbit.database.sqlite import SqliteDatabase  # noqa: PLC0415  # the same

    return SqliteDatabase(config.sqlite_path)


def database_problems(config: Config) -> list[Problem]:
    """Return what would keep the database from opening, without creating a file or connecting."""
    if not config.host.mongodb.enabled:
        path = config.sqlite_path
        if not config.host.sqlite.path.strip():
            return [Problem("sqlite.path", "is empty; it must name a file, such as orbit.db.")]
        if path.resolve() == config.data_dir.resolve():  # which the server would make
            return [Problem("sqlite.path", "is the data folder itself; it must name a file, such as orbit.db.")]
        if path.parent == config.data_dir and folder_problems("general.data_dir", config.data_dir):
            return []  # reported once, for the folder
        return file_problems("sqlite.path", path) or _format_problems(path)
    try:
        from orbit.database.mongodb.connection import connection_problems  # noqa: PLC0415  # the same
    except ModuleNotFoundError as error:
        return [_not_installed(error)]
    return connection_problems(config.host.mongodb)


def _format_problems(path: Path) -> list[Problem]:
    """Return a problem if SQLite did not write the file.

    A file in use is left alone: closing it would release the locks that SQLite holds for this process (POSIX), and the
    next command would remove the write-ahead log that the server still writes to.
    """
    if not path.is_file() or Path(f"{path.resolve()}-wal").exists():
        return []
    with path.open("rb") as file:
        start = file.read(len(_SQLITE))
    return [] if start in (b"", _SQLITE) else [Problem("sqlite.path", f"the file {path} is not a SQLite database.")]


def _not_installed(error: ModuleNotFoundError) -> Problem:
    return Problem("mongodb", f"{error.name} is not installed. Install it: pip install 'orbit-inference[mongodb]'.")
