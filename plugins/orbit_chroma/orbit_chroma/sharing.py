"""Several processes on one embedded database: ``orbit ingest`` beside a running server.

Chroma's embedded client never looks at what other processes write: it goes on answering from its own picture of the
index, and writing from an old picture would lose the others' work. So writers take turns, each leaves a sign in the
folder, and a process that sees a new sign opens the database again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Not on Windows: there, one process must do.
    fcntl = None  # type: ignore[assignment] # as above


class WriteLog:
    """A file that grows by a byte with every write to the database: its size tells whether there was any."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "orbit-writes"

    def size(self) -> int:
        """Changes whenever some process has written."""
        try:
            return self._path.stat().st_size
        except OSError:  # Not written yet; what else is wrong with the folder, opening the database will tell.
            return 0

    @contextmanager
    def turn(self) -> Iterator[Callable[[], int]]:
        """Wait until no other process writes, and keep the others waiting.

        Gives a function to call before and after writing: it leaves the sign, and returns the size with it.
        """
        with self._path.open("ab", buffering=0) as file:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX)

            def sign() -> int:
                file.write(b".")
                return file.tell()

            yield sign


class Gate:
    """Lets many threads in at a time, or one that has the place to itself."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._alone = False

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Come in together with others."""
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
        """Come in when all others have left, and keep them out."""
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
