"""How processes that share a SQLite store tell each other that what they remember is out of date."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from types import TracebackType
from typing import Self

SIZE = 8


class ChangeSignal:
    """Eight bytes in a small file, mapped into memory.

    Whoever changes a record writes a new random value; whoever remembers records compares. Reading takes no call to
    the system, so it never gives the interpreter away. The file must not be made shorter while it is in use.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Self:
        file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if os.fstat(file).st_size < SIZE:
                os.ftruncate(file, SIZE)
            self._shared = mmap.mmap(file, SIZE)
        finally:
            os.close(file)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._shared.close()

    def read(self) -> bytes:
        """The present value."""
        return self._shared[:]

    def send(self) -> None:
        """Change the value."""
        self._shared[:] = os.urandom(SIZE)
