"""Dead letters: lines that a sink rejected permanently, kept with the reason until it resends them or they expire.

They are in the follower's folder and follow the rules of the log: ``dead-letter-2025-01-31.log`` holds those of one
day, has limited size and mode 0600, and expires together with the log's files of that day.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Self

import msgspec

from orbit.chatlog.folder import LogFolder
from orbit.chatlog.followers import DEAD_LETTERS
from orbit.chatlog.lines import iso
from orbit.chatlog.reading import read_lines, read_lines_backwards
from orbit.chatlog.rules import Rules
from orbit.system.files import open_private

NEW = "dead-letter.new"


class DeadLetter(msgspec.Struct, frozen=True):
    """A rejected line and the reason. ``file`` and ``end`` locate it in the log; ``end`` is the byte after it.

    ``status`` is the sink's status code, 0 if the line was never sent; ``id`` is the sink's id for it.
    """

    time: str
    file: str
    end: int
    id: str
    status: int
    reason: str
    line: str

    @classmethod
    def of(cls, line: bytes, file: str, end: int, reason: str, status: int = 0, identity: str = "") -> Self:
        """Return the letter of a line that was refused now."""
        text = line.decode("utf-8", "replace")
        return cls(iso(time.time()), file, end, identity, status, reason, text)


class DeadLetters:
    """The dead letters of one follower. Only the holder of the follower's lock may change them; anyone may read."""

    def __init__(self, folder: Path, rules: Rules | None = None) -> None:
        """Take the follower's ``folder`` and the log's ``rules``. Open nothing."""
        given = rules or Rules()
        self._folder = folder
        self._log = LogFolder(folder, DEAD_LETTERS, max_bytes=given.max_bytes, where=given.zone)
        self._waiting: deque[bytes] = deque()
        self._counted: dict[Path, tuple[tuple[int, int, int], int]] = {}

    def files(self) -> list[Path]:
        """Return the files, oldest first. Raises OSError."""
        return [file.path for file in DEAD_LETTERS.files(self._folder)]

    def count(self) -> int:
        """Return the number of letters. Raises OSError."""
        counted = {}
        for path in self.files():
            with contextlib.suppress(FileNotFoundError):  # it has just expired
                status = path.stat()
                stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
                known = self._counted.get(path)
                counted[path] = known if known and known[0] == stamp else (stamp, sum(1 for _ in read_lines(path)))
        self._counted = counted
        return sum(number for _, number in counted.values())

    def add(self, letters: Iterable[DeadLetter] = ()) -> None:
        """Append letters. Raises OSError; the next call writes what this one could not."""
        self._waiting.extend(_encode(letter) for letter in letters)
        self._log.append(self._waiting)

    def batches(self, path: Path, count: int, size: int) -> Iterator[list[DeadLetter]]:
        """Yield a file's letters in batches of at most ``count`` letters and about ``size`` bytes. Raises OSError."""
        batch: list[DeadLetter] = []
        room = size
        for line in read_lines(path):
            batch += _decode(line.data)
            room -= len(line.data)
            if len(batch) >= count or (batch and room <= 0):
                yield batch
                batch, room = [], size
        if batch:
            yield batch

    def last(self, count: int) -> list[DeadLetter]:
        """Return the last letters, oldest first. Raises OSError."""
        newest: list[DeadLetter] = []
        for path in reversed(self.files()):
            for line in read_lines_backwards(path):
                if len(newest) >= count:
                    break
                newest += _decode(line.data)
        return newest[::-1]

    @contextlib.contextmanager
    def rewriting(self, path: Path) -> Iterator[Callable[[Iterable[DeadLetter]], None]]:
        """Replace a file by the letters that the body passes on; without any, delete it. Raises OSError.

        If the body fails, the file stays as it was.
        """
        new = self._folder / NEW
        try:
            with os.fdopen(open_private(new, os.O_TRUNC), "wb") as file:
                yield lambda letters: file.writelines(map(_encode, letters))
            if new.stat().st_size:
                new.replace(path)
            else:
                path.unlink(missing_ok=True)
        finally:
            new.unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove temporary files of a process that was killed while it rewrote a file. The file itself still exists."""
        with contextlib.suppress(OSError):
            (self._folder / NEW).unlink()

    def close(self) -> None:
        """Close open files."""
        self._log.close()


_decoder = msgspec.json.Decoder(DeadLetter)


def _decode(line: bytes) -> list[DeadLetter]:
    """Return the letter in a line; none if the line is torn. Its writer then stopped, and its record was sent again."""
    try:
        return [_decoder.decode(line)]
    except (msgspec.DecodeError, RecursionError):
        return []


def _encode(letter: DeadLetter) -> bytes:
    return msgspec.json.encode(letter) + b"\n"
