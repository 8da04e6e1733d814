"""Where API keys, system prompts and conversations are kept."""

from orbit.config import Config
from orbit.errors import ConfigError, Problem
from orbit.store.base import Store
from orbit.store.keys import ApiKey
from orbit.store.prompts import SystemPrompt

__all__ = ["ApiKey", "Store", "SystemPrompt", "open_store"]


def open_store(config: Config) -> Store:
    """The store that a configuration asks for, not opened yet: use it with ``async with``.

    Raises ConfigError if what it needs is not installed.
    """
    if config.host.mongodb.enabled:
        try:
            from orbit.store.mongodb import MongoStore  # noqa: PLC0415  # only the chosen backend is imported
        except ModuleNotFoundError as error:
            sentence = f"{error.name} is not installed. Install it: pip install 'orbit-inference[mongodb]'."
            raise ConfigError([Problem("mongodb", sentence)]) from error
        return MongoStore(config.host.mongodb, config.data_dir / "mongodb-changes")
    from orbit.store.sqlite import SqliteStore  # noqa: PLC0415  # the same

    return SqliteStore(config.sqlite_path)
