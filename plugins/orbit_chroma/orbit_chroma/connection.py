"""A thread pool for the database's blocking calls."""

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
"""Separate threads, so that a hanging Chroma server cannot exhaust the thread pool of the process."""


class Database(Protocol):
    """A Chroma database. All methods block."""

    @property
    def where(self) -> str:
        """The database's name in messages."""
        ...

    def reading(self) -> AbstractContextManager[ClientAPI]:
        """Return a client for reading. Opens the database at first use, and again after a failure."""
        ...

    def writing(self) -> AbstractContextManager[ClientAPI]:
        """Return a client for writing."""
        ...

    def writes(self) -> int | None:
        """Return a number that changes when anyone begins or ends to write; None if reads may miss writes."""
        ...

    def close(self) -> None:
        """Release all resources."""
        ...


class Connection:
    """Runs work on a database without blocking the event loop."""

    def __init__(self, database: Database) -> None:
        """Threads start on demand."""
        self._database = database
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="chroma")

    async def read(self, work: Callable[[ClientAPI], T]) -> T:
        """Run ``work`` with a client in a thread. Raises ProviderError, as Missing if there is no such collection."""
        return await self._in_thread(self._database.reading, work)

    async def write(self, work: Callable[[ClientAPI], T]) -> T:
        """Run ``work`` that changes something, as in ``read``."""
        return await self._in_thread(self._database.writing, work)

    def writes(self) -> int | None:
        """See ``Database``. Blocks no longer than a file system call."""
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
            try:
                with enter() as client:
                    return work(client)
            except BaseException as error:
                raise translate(error, self._database.where) from error

        return await asyncio.get_running_loop().run_in_executor(self._threads, run)
