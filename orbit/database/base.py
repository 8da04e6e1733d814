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

from orbit.database.change_signal import ChangeSignal
from orbit.database.conversations import ConversationRecords
from orbit.database.keys import KeyRecords
from orbit.database.prompts import PromptRecords
from orbit.database.transferable import TransferRecords
from orbit.errors import DatabaseUnavailable
from orbit.types import Health


class Database(KeyRecords, PromptRecords, ConversationRecords, TransferRecords):
    """Keys, prompts and conversations. Open it with ``async with``.

    Every operation raises DatabaseUnavailable when the database cannot be reached.
    Several processes may use the same database; those of one machine notice each other's changes at once.
    """

    def __init__(self, signal_file: Path) -> None:
        """``signal_file`` is the file that announces changes to the other processes."""
        self._signal = ChangeSignal(signal_file)
        self._open = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Open the database and migrate its content. Raises ConfigError or DatabaseUnavailable."""
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
        """Open connections and the signal, and register their closing with the stack."""

    @abc.abstractmethod
    async def ping(self) -> None:
        """Do nothing. Raises DatabaseUnavailable if the database cannot be reached."""

    async def health(self) -> Health:
        """Return the database's state, for ``/health``."""
        try:
            await self.ping()
        except DatabaseUnavailable as error:
            return Health("down", str(error))
        return Health()

    def generation(self) -> object:
        """Return a value that differs from an earlier one if keys or prompts may have changed since.

        Reads eight bytes of memory and never waits.
        """
        return self._signal.read()

    def changed(self) -> None:
        """Announce a change of an existing record to all processes. Raises OSError."""
        self._signal.send()
