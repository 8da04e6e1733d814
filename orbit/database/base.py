"""The contract of the store of API keys, system prompts and conversations.

Every backend passes the same tests (``tests/store/store_contract.py``). No record holds a clear key: only its SHA-256
digest and a hint.
"""

from __future__ import annotations

import abc
import contextlib
from pathlib import Path
from types import TracebackType
from typing import Self

from orbit.database.keys import KeyStore
from orbit.database.prompts import PromptStore
from orbit.database.sessions import SessionStore
from orbit.database.signal import ChangeSignal
from orbit.errors import StoreUnavailable
from orbit.types import Health


class Store(KeyStore, PromptStore, SessionStore):
    """Where keys, prompts and conversations are kept. Open it with ``async with``.

    Every operation raises StoreUnavailable when the store cannot be reached, which says nothing about the records.
    Other processes may use the same store at the same time; those of one machine learn of changes at once.
    """

    def __init__(self, signal_file: Path) -> None:
        """``signal_file`` is the file by which processes tell each other of changes."""
        self._signal = ChangeSignal(signal_file)
        self._open = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Open the store and bring what is in it up to date. Raises ConfigError or StoreUnavailable."""
        async with contextlib.AsyncExitStack() as stack:
            await self._enter(stack)
            self._open = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the store."""
        await self._open.aclose()

    @abc.abstractmethod
    async def _enter(self, stack: contextlib.AsyncExitStack) -> None:
        """Open what the store needs, the signal included, and leave it to the stack to close it."""

    @abc.abstractmethod
    async def ping(self) -> None:
        """Return if the store can be reached."""

    async def health(self) -> Health:
        """The store's state, for ``/health``."""
        try:
            await self.ping()
        except StoreUnavailable as error:
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
