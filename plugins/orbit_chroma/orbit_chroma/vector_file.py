"""Vectors on their way into the database: in memory while they are few, otherwise in a temporary file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    from orbit import Vectors

T = TypeVar("T")

MEMORY = 64 * 1024 * 1024
"""Bytes to keep in memory, so that a source of any size needs little of it."""


class VectorFile:
    """Takes vectors in blocks, and gives them back in the same order in blocks of any size."""

    def __init__(self) -> None:
        """Create the file."""
        self._file = tempfile.SpooledTemporaryFile(MEMORY)  # noqa: SIM115 - __exit__ closes it
        self._reading = False
        self.dimension = 0

    def __enter__(self) -> Self:
        """Return the file."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Remove the file."""
        self._file.close()

    def append(self, vectors: Vectors) -> None:
        """Write vectors at the end."""
        self.dimension = int(vectors.shape[1])
        self._file.write(vectors.tobytes())

    def read(self, count: int) -> Vectors:
        """Return the next ``count`` vectors, after all have been written."""
        import numpy as np  # noqa: PLC0415 - importing a plugin stays light

        if not self._reading:
            self._file.seek(0)
            self._reading = True
        data = self._file.read(count * self.dimension * np.dtype(np.float32).itemsize)
        return np.frombuffer(data, dtype=np.float32).reshape(count, self.dimension)


def batched(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Cut a sequence into pieces of at most ``size``."""
    return (items[start : start + size] for start in range(0, len(items), size))
