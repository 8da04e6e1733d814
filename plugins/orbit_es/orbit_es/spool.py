"""The chat log as a spool: its unsent lines, in the order in which they were written."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

import msgspec

from orbit.chatlog import LogFile, Naming, Position, head_of, read_lines
from orbit_es.documents import Entry, NotARecord, timestamp_of

_log = logging.getLogger(__name__)

ABANDONED = 60.0
"""Seconds after which nobody will complete a partial line at the end of an older file."""


class _Track(msgspec.Struct):
    """The state of one file: bytes sent, bytes counted, whole lines in between, total bytes."""

    file: LogFile
    sent: int = 0
    counted: int = 0
    lines: int = 0
    size: int = 0
    head: str = ""
    stamp: tuple[int, int, int] = (0, 0, 0)
    """Inode, modification time and size at the last look. If they are unchanged, it is the same file."""


class Spool:
    """Reads new lines of all the log's files, from positions that survive a restart.

    Each file has its own position, so nothing is missed however writers and clocks behave. Not thread-safe. All methods
    do file I/O; they raise OSError only where documented.
    """

    def __init__(self, directory: Path, naming: Naming, positions: Mapping[str, Position], lost_bytes: int = 0) -> None:
        """Continue from ``positions``, as the method ``positions`` returned them, and from ``lost_bytes``."""
        self.lost_bytes = lost_bytes
        self._directory = directory
        self._naming = naming
        self._tracks: dict[str, _Track] = {}
        for name, position in positions.items():
            file = naming.parse(directory / name)
            if file is not None:
                self._tracks[name] = _Track(
                    file, sent=position.offset, counted=position.offset, size=position.size, head=position.head
                )

    @property
    def pending(self) -> int:
        """Unsent whole lines, as of the last ``look``."""
        return sum(track.lines for track in self._tracks.values())

    def positions(self) -> dict[str, Position]:
        """Return the position in each file."""
        return {
            name: Position(offset=track.sent, head=track.head, size=track.size) for name, track in self._tracks.items()
        }

    def look(self) -> None:
        """Find new files and new lines, and count what was deleted unsent. Raises OSError."""
        files = {file.path.name: file for file in self._naming.files(self._directory)}
        for name in [name for name in self._tracks if name not in files]:
            self._lose(self._tracks.pop(name))
        for name, file in files.items():
            track = self._tracks.setdefault(name, _Track(file))
            try:
                status = file.path.stat()
                stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
                if stamp != track.stamp:
                    self._recognise(track, status.st_size)
                    self._count(track)
                    track.stamp = stamp
            except FileNotFoundError:
                continue  # deleted just now; the next look will notice

    def read(self, records: int, size: int) -> list[Entry]:
        """Return the next lines, at most ``records`` and about ``size`` bytes of them. Raises OSError."""
        entries: list[Entry] = []
        for track in self._in_order():
            if track.sent >= track.size:
                continue
            self._recognise(track, track.size)
            for line in read_lines(track.file.path, track.sent, size):
                entries.append(Entry(line.data, track.file.path.name, line.end))
                size -= len(line.data)
                if len(entries) >= records or size <= 0:
                    return entries
            if not track.lines:
                entries.extend(self._abandoned(track))
        return entries

    def advance(self, entries: Iterable[Entry]) -> None:
        """Mark these entries, the next ones, as done."""
        for entry in entries:
            track = self._tracks.get(entry.file)
            if track is not None and entry.end > track.sent:
                track.sent = entry.end
                track.lines = max(0, track.lines - 1)
                track.counted = max(track.counted, entry.end)

    def oldest(self) -> float | None:
        """Return the time of the oldest unsent record, in Unix seconds; None if there is none."""
        for track in self._in_order():
            if track.lines:
                try:
                    for line in read_lines(track.file.path, track.sent, 1):
                        return timestamp_of(line.data).timestamp()
                except (OSError, NotARecord):
                    return None
        return None

    def rewind(self, since: float) -> int:
        """Go back to the first record made at or after ``since`` in each file. Return how many are read again."""
        before = self.pending
        for track in self._in_order():
            end = 0
            try:
                for line in read_lines(track.file.path):
                    if line.end > track.sent or _made_since(line.data, since):
                        break
                    end = line.end
                if end < track.sent:
                    track.sent, track.counted, track.lines = end, end, 0
                    self._count(track)
            except OSError as error:
                _log.warning("%s cannot be read again: %s", track.file.path, error)
        return self.pending - before

    def awaits(self, entry: Entry) -> bool:
        """Return whether this line is still unsent."""
        track = self._tracks.get(entry.file)
        start = entry.end - len(entry.line) - 1
        if track is None or not track.sent <= start:
            return False
        try:
            with track.file.path.open("rb") as file:
                file.seek(start)
                return file.read(len(entry.line)) == entry.line
        except OSError:
            return False

    def _in_order(self) -> list[_Track]:
        return sorted(self._tracks.values(), key=lambda track: track.file)

    def _recognise(self, track: _Track, size: int) -> None:
        """Start over with a file that has replaced another one of the same name."""
        head = head_of(track.file.path)
        if (track.head and head != track.head) or size < track.sent:
            self._lose(track)
            track.sent = track.counted = track.lines = track.size = 0
        track.head = head

    def _count(self, track: _Track) -> None:
        with track.file.path.open("rb") as file:
            file.seek(track.counted)
            while block := file.read(1_000_000):
                track.lines += block.count(b"\n")
                track.counted += len(block)
        track.size = track.counted

    def _lose(self, track: _Track) -> None:
        lost = max(0, track.size - track.sent)
        if lost:
            self.lost_bytes += lost
            _log.error(
                "%s was deleted before ORBIT had sent all of it: %d bytes (%d records) are lost",
                track.file.path,
                lost,
                track.lines,
            )

    def _abandoned(self, track: _Track) -> list[Entry]:
        """Return a partial line at the end of a file that nobody writes to any more."""
        path = track.file.path
        if track.file == self._in_order()[-1].file or time.time() - path.stat().st_mtime < ABANDONED:
            return []
        with path.open("rb") as file:
            file.seek(track.sent)
            rest = file.read()
        return [Entry(rest, path.name, track.sent + len(rest))] if rest and b"\n" not in rest else []


def _made_since(line: bytes, since: float) -> bool:
    try:
        made: datetime = timestamp_of(line)
    except NotARecord:
        return False
    return made.timestamp() >= since
