"""Dead letters: lines that a sink refused for good, kept with the reason until they are sent again or expire.

They stand in the follower's folder, in files that obey the rules of the log: ``dead-letter-2025-01-31.log`` has those
of a day and is of limited size, its mode is 0600, and it is deleted when the log's own files of that day would be.
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

NEW = "dead-letter.new"


class DeadLetter(msgspec.Struct, frozen=True):
    """A refused line, and why. ``file`` and ``end`` tell where in the log it stands, ``end`` being the byte after it.

    ``status`` is the sink's number for the refusal, 0 if the line was never sent; ``id`` is the sink's own.
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
    """The dead letters of one follower. Only who holds the follower's lock may change them; anybody may read."""

    def __init__(self, folder: Path, rules: Rules | None = None) -> None:
        """``folder`` is the follower's, ``rules`` are the log's. Opens nothing."""
        given = rules or Rules()
        self._folder = folder
        self._log = LogFolder(folder, DEAD_LETTERS, max_bytes=given.max_bytes, where=given.zone)
        self._waiting: deque[bytes] = deque()
        self._counted: dict[Path, tuple[tuple[int, int, int], int]] = {}

    def files(self) -> list[Path]:
        """The files, oldest first. Raises OSError."""
        return [file.path for file in DEAD_LETTERS.files(self._folder)]

    def count(self) -> int:
        """How many letters there are. Raises OSError."""
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
        """Append letters. Raises OSError; what is not written then is written with the next call."""
        self._waiting.extend(_encode(letter) for letter in letters)
        self._log.append(self._waiting)

    def batches(self, path: Path, count: int, size: int) -> Iterator[list[DeadLetter]]:
        """The letters of a file, at most ``count`` and about ``size`` bytes of them at a time. Raises OSError."""
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
        """The last letters, oldest first. Raises OSError."""
        newest: list[DeadLetter] = []
        for path in reversed(self.files()):
            for line in read_lines_backwards(path):
                if len(newest) >= count:
                    break
                newest += _decode(line.data)
        return newest[::-1]

    @contextlib.contextmanager
    def rewriting(self, path: Path) -> Iterator[Callable[[Iterable[DeadLetter]], None]]:
        """Put into place of a file what the body keeps of it; with nothing kept, the file goes. Raises OSError.

        When the body fails, the file stays as it was.
        """
        new = self._folder / NEW
        try:
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
                yield lambda letters: file.writelines(map(_encode, letters))
            if new.stat().st_size:
                new.replace(path)
            else:
                path.unlink(missing_ok=True)
        finally:
            new.unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove what a process left that was killed while it rewrote a file. That file is still there."""
        with contextlib.suppress(OSError):
            (self._folder / NEW).unlink()

    def close(self) -> None:
        """Close what is open."""
        self._log.close()


_decoder = msgspec.json.Decoder(DeadLetter)


def _decode(line: bytes) -> list[DeadLetter]:
    """The letter of a line; none if it was torn, as its writer did not go on then, and the record was sent again."""
    try:
        return [_decoder.decode(line)]
    except (msgspec.DecodeError, RecursionError):
        return []


def _encode(letter: DeadLetter) -> bytes:
    return msgspec.json.encode(letter) + b"\n"
