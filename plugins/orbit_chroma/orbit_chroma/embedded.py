"""A database in a folder, embedded in the process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from orbit_chroma.client_settings import quiet_settings
from orbit_chroma.sharing import Gate, WriteLog

if TYPE_CHECKING:
    from chromadb.api import ClientAPI

REFRESH_SECONDS = 2.0
"""Shortest interval in which readers reopen the database while another process writes, in seconds."""


class Embedded:
    """One client for all threads, reopened after another process has written."""

    def __init__(self, folder: Path) -> None:
        """Set the folder, created if missing. The database opens at first use."""
        self._folder = folder
        self._writes = WriteLog(folder)
        self._gate = Gate()
        self._client: ClientAPI | None = None
        self._seen = 0
        self._opened_at = 0.0

    @property
    def where(self) -> str:
        """The database's name in messages."""
        return f"the Chroma database in {self._folder}"

    @contextmanager
    def reading(self) -> Iterator[ClientAPI]:
        """Return the client, at most a few seconds behind the writes of other processes."""
        self._refresh(REFRESH_SECONDS)
        with self._gate.shared():
            assert self._client is not None
            yield self._client

    @contextmanager
    def writing(self) -> Iterator[ClientAPI]:
        """Return the client, up to date, while no other process writes."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._writes.turn() as sign:
            self._refresh(0.0)
            self._seen = sign()
            try:
                with self._gate.shared():
                    assert self._client is not None
                    yield self._client
            finally:
                self._seen = sign()

    def writes(self) -> int | None:
        """Return the number of writes by all processes; None while the client has not seen all of them."""
        size = self._writes.size()
        return size if size == self._seen and self._client is not None else None

    def close(self) -> None:
        """Close the client."""
        if self._client is not None:
            self._client.close()  # type: ignore[attr-defined] # of every client, but not of its declared type
            self._client = None

    def _refresh(self, patience: float) -> None:
        """Open the database unless it is open and nobody else has written since."""
        if self._is_current(patience):
            return
        with self._gate.alone():
            if self._is_current(patience):
                return
            seen = self._writes.size()
            self.close()
            self._client = self._open()
            self._seen, self._opened_at = seen, time.monotonic()

    def _is_current(self, patience: float) -> bool:
        if self._client is None:
            return False
        return self._writes.size() == self._seen or time.monotonic() < self._opened_at + patience

    def _open(self) -> ClientAPI:
        import chromadb  # noqa: PLC0415 - takes a second, and not before the provider starts

        self._folder.mkdir(parents=True, exist_ok=True)
        return chromadb.PersistentClient(path=self._folder, settings=quiet_settings())
