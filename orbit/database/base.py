"""The contract of a database of API keys, system prompts and conversations.

Every backend passes the same tests (``tests/database/database_contract.py``). Records hold the SHA-256 digest of a key
and a hint, never the key itself.
"""

from __future__ import annotations

import abc
import contextlib
from pathlib import Path
from types import TracebackType
from typing import Self

from orbit.database.conversations import ConversationRecords
from orbit.database.keys import KeyRecords
from orbit.database.prompts import PromptRecords
from orbit.database.signal import ChangeSignal
from orbit.errors import DatabaseUnavailable
from orbit.types import Health


class Database(KeyRecords, PromptRecords, ConversationRecords):
    """Where keys, prompts and conversations are kept. Open it with ``async with``.

    Every operation raises DatabaseUnavailable when the database cannot be reached.
    Other processes may use the same database at the same time; those of one machine learn of changes at once.
    """

    def __init__(self, signal_file: Path) -> None:
        """``signal_file`` is the file by which processes tell each other of changes."""
        self._signal = ChangeSignal(signal_file)
        self._open = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Open the database and bring what is in it up to date. Raises ConfigError or DatabaseUnavailable."""
        async with contextlib.AsyncExitStack() as stack:
            await self._enter(stack)
            self._open = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the database."""
        await self._open.aclose()

    @abc.abstractmethod
    async def _enter(self, stack: contextlib.AsyncExitStack) -> None:
        """Open what the database needs, the signal included, and leave it to the stack to close it."""

    @abc.abstractmethod
    async def ping(self) -> None:
        """Return if the database can be reached."""

    async def health(self) -> Health:
        """The database's state, for ``/health``."""
        try:
            await self.ping()
        except DatabaseUnavailable as error:
            return Health("down", str(error))
        return Health()

    def generation(self) -> object:
        """A value that differs from an earlier one if known keys or prompts may have changed since.

        It costs next to nothing and never waits.
        """
        return self._signal.read()

    def changed(self) -> None:
        """Tell that records may have changed: called after each change of an existing record. Raises OSError."""
        self._signal.send()
