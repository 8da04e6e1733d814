"""Where API keys and system prompts are kept."""

from orbit.config import Config
from orbit.store.base import ApiKey, Store, SystemPrompt

__all__ = ["ApiKey", "Store", "SystemPrompt", "open_store"]


def open_store(config: Config) -> Store:
    """The store that a configuration asks for, not opened yet: use it with ``async with``."""
    from orbit.store.sqlite import SqliteStore  # noqa: PLC0415 - only the chosen backend's driver is imported

    return SqliteStore(config.sqlite_path)
