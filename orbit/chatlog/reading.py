"""Reads the log while it is being written, for followers and the command line."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

HEAD = 1024
READ = 1_000_000
BACKWARDS = 65_536


class Line(NamedTuple):
    """A whole line, without its line feed, and the offset of the byte after it."""

    data: bytes
    end: int


class EarlierLine(NamedTuple):
    """A whole line, without its line feed, and the offset of its first byte."""

    data: bytes
    start: int


def head_of(path: Path) -> str:
    """Return a digest of the beginning of the first line. It changes if a file is deleted and created again.

    Empty if there is no whole line yet. Raises OSError.
    """
    with path.open("rb") as file:
        start = file.read(HEAD)
        end = start.find(b"\n")
        if end < 0 and len(start) < HEAD:
            return ""
    return hashlib.blake2b(start if end < 0 else start[:end], digest_size=8).hexdigest()


def read_lines(path: Path, offset: int = 0, limit: int | None = None) -> Iterator[Line]:
    """Yield the whole lines of a file from an offset on, about ``limit`` bytes of them. Raises OSError.

    Omits the text after the last line feed, which may be half a line.
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


def read_lines_backwards(path: Path, end: int | None = None) -> Iterator[EarlierLine]:
    """Yield the whole lines of a file backwards, from its end or from the line that begins at ``end``.

    Raises OSError. Omits the text after the last line feed, which may be half a line.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        start = size if end is None else min(end, size)
        rest: list[bytes] = []  # parts of a line whose beginning is still unread, last part first
        at_end = True
        while start:
            step = min(BACKWARDS, start)
            start -= step
            file.seek(start)
            lines = file.read(step).split(b"\n")
            offset = start + step
            for number in range(len(lines) - 1, 0, -1):
                data = b"".join([lines[number], *reversed(rest)])
                rest.clear()
                offset -= len(lines[number])
                if not at_end:
                    yield EarlierLine(data, offset)
                at_end = False
                offset -= 1
            rest.append(lines[0])
        if not at_end:
            yield EarlierLine(b"".join(reversed(rest)), 0)
