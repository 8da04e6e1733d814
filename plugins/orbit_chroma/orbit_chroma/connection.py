"""The threads that a database's blocking calls run in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol, TypeVar

from orbit_chroma.errors import translate

if TYPE_CHECKING:
    from chromadb.api import ClientAPI

T = TypeVar("T")

THREADS = 8
"""Of our own, so that a Chroma server that hangs cannot use up the threads that the rest of the process shares."""


class Database(Protocol):
    """A place where Chroma keeps collections. Everything here blocks."""

    @property
    def where(self) -> str:
        """The database, as sentences name it."""
        ...

    def reading(self) -> AbstractContextManager[ClientAPI]:
        """A client to read with. Opens the database when it is first needed, and again after that failed."""
        ...

    def writing(self) -> AbstractContextManager[ClientAPI]:
        """A client to write with."""
        ...

    def writes(self) -> int | None:
        """A number that changes when anybody begins or ends to write; None if reading may not show all of it."""
        ...

    def close(self) -> None:
        """Let go of all that was opened."""
        ...


class Connection:
    """Runs work on a database without blocking the event loop."""

    def __init__(self, database: Database) -> None:
        """Threads start when there is work."""
        self._database = database
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="chroma")

    async def read(self, work: Callable[[ClientAPI], T]) -> T:
        """Run ``work`` with a client in a thread.

        Raises ProviderError; only Chroma's ``NotFoundError`` passes through, for ``work`` alone knows what is missing.
        """
        return await self._in_thread(self._database.reading, work)

    async def write(self, work: Callable[[ClientAPI], T]) -> T:
        """The same for work that changes something."""
        return await self._in_thread(self._database.writing, work)

    def writes(self) -> int | None:
        """See ``Database``; blocks no longer than looking at a file takes."""
        return self._database.writes()

    async def close(self) -> None:
        """Wait for running calls and close the database."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._database.close()

    async def _in_thread(
        self, enter: Callable[[], AbstractContextManager[ClientAPI]], work: Callable[[ClientAPI], T]
    ) -> T:
        def run() -> T:
            from chromadb.errors import NotFoundError  # noqa: PLC0415 - importing a plugin stays light

            try:
                with enter() as client:
                    return work(client)
            except NotFoundError:
                raise
            except BaseException as error:
                raise translate(error, self._database.where) from error

        return await asyncio.get_running_loop().run_in_executor(self._threads, run)
