"""How processes that share a SQLite database tell each other that what they remember is out of date."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from types import TracebackType
from typing import Self

SIZE = 8


class ChangeSignal:
    """Eight bytes in a small file, mapped into memory for reading.

    Whoever changes a record writes a new random value; whoever remembers records compares. Reading makes no system
    call, so it never releases the interpreter. Writing does, because a write that the disk has no room for raises an
    error there, where one to mapped memory would kill the process. The file must not get shorter while it is in use.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Self:
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self.send()  # takes the space on the disk, also where the file has a size already and no content
            self._shared = mmap.mmap(self._file, SIZE, prot=mmap.PROT_READ)
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
        """The present value."""
        return self._shared[:]

    def send(self) -> None:
        """Change the value. Raises OSError."""
        os.pwrite(self._file, os.urandom(SIZE), 0)
