"""Reading the log while it is written: for followers and for the command line."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

HEAD = 1024
READ = 1_000_000


class Line(NamedTuple):
    """A whole line, without its line feed, and the offset of the byte after it."""

    data: bytes
    end: int


def head_of(path: Path) -> str:
    """A digest of the beginning of the first line: it knows a file again that was deleted and made anew.

    Empty while there is no whole line. Raises OSError.
    """
    with path.open("rb") as file:
        start = file.read(HEAD)
        end = start.find(b"\n")
        if end < 0 and len(start) < HEAD:
            return ""
    return hashlib.blake2b(start if end < 0 else start[:end], digest_size=8).hexdigest()


def read_lines(path: Path, offset: int = 0, limit: int | None = None) -> Iterator[Line]:
    """The whole lines of a file from an offset on, until about ``limit`` bytes are read. Raises OSError.

    What stands after the last line feed is not given: it may be half a line.
    """
    with path.open("rb") as file:
        file.seek(offset)
        end = offset
        for line in file:
            if not line.endswith(b"\n"):
                return
            end += len(line)
            yield Line(line[:-1], end)
            if limit is not None and end - offset >= limit:
                return
