"""The signal by which processes of one machine announce changes, so that the others empty their caches."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from orbit.system.files import open_private, write_at

SIZE = 8


class ChangeSignal:
    """Eight bytes in a small file, mapped into memory for reading.

    A process that changes a record writes a new random value; a process with a cache compares values. Reading makes no
    system call. Writing makes one, because on a full disk it raises an error, while a write to mapped memory would kill
    the process. The file must not get shorter while it is in use.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Self:
        self._file = open_private(self.path)
        try:
            self.send()  # reserves the disk space, even if the file is sparse
            self._shared = mmap.mmap(self._file, SIZE, access=mmap.ACCESS_READ)
        except BaseException:
            os.close(self._file)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._shared.close()
        os.close(self._file)

    def read(self) -> bytes:
        """Return the current value."""
        return self._shared[:]

    def send(self) -> None:
        """Change the value. Raises OSError."""
        write_at(self._file, os.urandom(SIZE), 0)
