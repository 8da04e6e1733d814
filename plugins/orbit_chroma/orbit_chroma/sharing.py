"""Coordinates several processes on one embedded database: ``orbit ingest`` beside a running server.

Chroma's embedded client never notices the writes of other processes. It keeps answering from its own copy of the index,
and writing from an old copy would lose the others' writes. So writers take turns, each marks its writes in the folder,
and a process that sees a new mark reopens the database.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform != "win32":  # which supports only one process
    import fcntl


class WriteLog:
    """A file that grows by a byte with every write to the database. Its size shows whether there was any."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "orbit-writes"

    def size(self) -> int:
        """Return a number that changes with every write of any process."""
        try:
            return self._path.stat().st_size
        except OSError:  # not written yet; opening the database reports other faults of the folder
            return 0

    @contextmanager
    def turn(self) -> Iterator[Callable[[], int]]:
        """Wait until no other process writes, and block the others.

        Yields a function to call before and after writing. It marks the write and returns the new size.
        """
        with self._path.open("ab", buffering=0) as file:
            if sys.platform != "win32":
                fcntl.flock(file, fcntl.LOCK_EX)

            def sign() -> int:
                file.write(b".")
                return file.tell()

            yield sign


class Gate:
    """A readers-writer lock for threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._alone = False

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Enter together with other readers."""
        with self._changed:
            self._changed.wait_for(lambda: not self._alone)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Enter alone, after all others have left."""
        with self._changed:
            self._changed.wait_for(lambda: not self._alone)
            self._alone = True
            self._changed.wait_for(lambda: self._inside == 0)
        try:
            yield
        finally:
            with self._changed:
                self._alone = False
                self._changed.notify_all()
