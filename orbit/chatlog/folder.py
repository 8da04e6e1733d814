"""The folder of the log: any number of processes append whole lines to it and delete old files."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from datetime import UTC, date, tzinfo
from itertools import accumulate, islice
from pathlib import Path
from typing import NamedTuple

from orbit.chatlog.followers import dead_letter_files, known, make_private
from orbit.chatlog.naming import LogFile, Naming, today
from orbit.chatlog.rules import WRITERS, Rules, write_rules, zone_name
from orbit.system.files import lock, open_private, read_at, same_file, unlock

_log = logging.getLogger(__name__)

LOCK = ".lock"
MAX_WRITE = 1_000_000
DAY = 86_400.0


class _Open(NamedTuple):
    """The file that receives new lines."""

    fd: int
    file: LogFile


class LogFolder:
    """Appends lines to the newest file of a folder. Not thread-safe, but safe with any number of processes.

    All processes take the same lock, find the same newest file and append to it with one write. Files are never
    renamed. A process that finds the file full creates the next one; the others see it when they next take the lock. If
    the folder was deleted, the lock is opened again. A line torn by a killed process is terminated before the next one
    begins.
    """

    def __init__(
        self,
        directory: Path,
        naming: Naming,
        *,
        max_bytes: int = 20_000_000,
        where: tzinfo | None = UTC,
        fsync: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Set the time zone where days change (``where``) and the source of Unix seconds (``clock``). Open nothing."""
        self.directory = directory
        self.naming = naming
        self.max_bytes = max_bytes
        self._where = where
        self._fsync = fsync
        self._clock = clock
        self._lock_fd: int | None = None
        self._writers_fd: int | None = None
        self._open: _Open | None = None

    def today(self) -> date:
        """Return the current day in the log's time zone."""
        return today(self._clock(), self._where)

    def append(self, lines: deque[bytes]) -> None:
        """Write lines, each with its line feed, and remove from ``lines`` what is written.

        Raises OSError; lines that remain in ``lines`` are then not in the log.
        """
        if not lines:
            return
        self._acquire()
        try:
            while lines:
                self._append_some(lines)
        finally:
            assert self._lock_fd is not None
            unlock(self._lock_fd)

    def announce(self) -> None:
        """Announce a writer and its rules to followers, until ``close``. Raises OSError."""
        self._make()
        path = self.directory / WRITERS
        if self._writers_fd is not None and not same_file(self._writers_fd, path):
            _log.warning("%s was deleted or replaced; ORBIT creates it again", self.directory)
            os.close(self._writers_fd)
            self._writers_fd = None
        if self._writers_fd is None:
            self._writers_fd = open_private(path)
            lock(self._writers_fd, shared=True, wait=False)
            write_rules(self._writers_fd, Rules(self.max_bytes, zone_name(self._where)))

    def close(self) -> None:
        """Close all open files."""
        self._close_file()
        for fd in (self._lock_fd, self._writers_fd):
            if fd is not None:
                os.close(fd)
        self._lock_fd = self._writers_fd = None

    def expire(self, days_kept: int, unsent_days: int = 0) -> list[Path]:
        """Delete files older than ``days_kept`` days, including dead letters, and return them.

        A file that a follower has not sent yet stays ``unsent_days`` longer; deleting it logs a warning. Followers that
        have not run for that long do not count.
        """
        now = self.today()
        gone = []
        for file in dead_letter_files(self.directory):
            if (now - file.day).days >= days_kept:
                with contextlib.suppress(FileNotFoundError):
                    file.path.unlink()
                    gone.append(file.path)
                    _log.warning("%s reached the end of its retention and was deleted", file.path)
        old = [file for file in self.naming.files(self.directory) if (now - file.day).days >= days_kept]
        if not old:
            return gone
        since = self._clock() - unsent_days * DAY
        followers = {name: state for name, state in known(self.directory).items() if state.updated >= since}
        for file in old:
            size = file.path.stat().st_size if file.path.exists() else 0
            behind = [
                name
                for name, state in followers.items()
                if (position := state.positions.get(file.path.name)) is None or position.offset < size
            ]
            if behind and (now - file.day).days < days_kept + unsent_days:
                continue
            with contextlib.suppress(FileNotFoundError):
                file.path.unlink()
                gone.append(file.path)
                if behind:
                    _log.error(
                        "%s reached the end of its retention and was deleted before %s had sent all of it",
                        file.path,
                        " and ".join(behind),
                    )
        return gone

    def _make(self) -> None:
        make_private(self.directory)

    def _acquire(self) -> None:
        path = self.directory / LOCK
        while True:
            if self._lock_fd is None:
                self._make()
                self._lock_fd = open_private(path)
                if self._writers_fd is not None:  # also if the folder was deleted and created again
                    self.announce()
            lock(self._lock_fd)
            if same_file(self._lock_fd, path):
                return
            os.close(self._lock_fd)  # The folder was deleted or moved: other processes lock another file now.
            self._lock_fd = None

    def _append_some(self, lines: deque[bytes]) -> None:
        fd, size = self._room_for(len(lines[0]))
        torn = size > 0 and read_at(fd, 1, size - 1) != b"\n"
        start = b"\n" if torn else b""
        ends = list(accumulate(map(len, lines), initial=len(start)))[1:]
        count = max(1, bisect_right(ends, min(self.max_bytes - size, MAX_WRITE)))
        data = start + b"".join(islice(lines, count))
        written = os.write(fd, data)
        whole = ends[: min(count, bisect_right(ends, written))]
        for _ in whole:
            lines.popleft()
        if written < len(data):
            with contextlib.suppress(OSError):  # If truncating fails, the next append terminates the torn line.
                os.ftruncate(fd, size + (whole[-1] if whole else 0))
        if self._fsync:
            os.fsync(fd)
        if not whole:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _room_for(self, length: int) -> tuple[int, int]:
        """Return the file to append to and its size. It has room for ``length`` bytes, or is empty."""
        while True:
            current = self._newest()
            size = os.fstat(current.fd).st_size
            if size == 0 or size + length <= self.max_bytes:
                return current.fd, size
            self._open_file(current.file.day, current.file.number + 1)

    def _newest(self) -> _Open:
        day = self.today()
        current = self._open
        if current is None or current.file.day != day or not same_file(current.fd, current.file.path):
            numbers = [file.number for file in self.naming.files(self.directory) if file.day == day]
            return self._open_file(day, max(numbers, default=0))
        number = current.file.number
        while (self.directory / self.naming.name(day, number + 1)).exists():
            number += 1
        return current if number == current.file.number else self._open_file(day, number)

    def _open_file(self, day: date, number: int) -> _Open:
        self._close_file()
        path = self.directory / self.naming.name(day, number)
        fd = open_private(path, os.O_APPEND)
        self._open = _Open(fd, LogFile(day, number, path))
        return self._open

    def _close_file(self) -> None:
        if self._open is not None:
            os.close(self._open.fd)
            self._open = None


def has_writers(directory: Path) -> bool:
    """Return whether a process is writing a chat log in this folder now."""
    path = directory / WRITERS
    try:
        fd = open_private(path) if path.exists() else -1
    except OSError:
        return False
    if fd < 0:
        return False
    try:
        return not lock(fd, wait=False)
    finally:
        os.close(fd)
