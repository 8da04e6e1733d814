"""The chat log as a provider."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import orbit
from orbit.chatlog.folder import LogFolder
from orbit.chatlog.followers import statuses
from orbit.chatlog.lines import LineEncoder, ending
from orbit.chatlog.naming import Naming, zone
from orbit.chatlog.settings import FileLogSettings
from orbit.chatlog.writer import WriterThread

STATUS_EVERY = 1.0
STOP_PATIENCE = 5.0
_LONGEST_NAME = 200
"""Longest filename, in bytes, that leaves room for the day and a number."""


class FileLog(orbit.Provider):
    """Writes each chat turn as one line of JSON, into one file per day."""

    Settings = FileLogSettings
    settings: FileLogSettings
    _writer: WriterThread | None = None
    _encoder: LineEncoder
    _directory: Path

    async def __aenter__(self) -> Self:
        settings = self.settings
        if problems := list(self.validate()):
            raise orbit.ConfigError([orbit.Problem("logging.file", problem) for problem in problems])
        self._directory = self._place()
        self._encoder = LineEncoder(settings.content, settings.redact, settings.hash_key, settings.max_bytes)
        self._ending = b""
        self._ending_until = float("-inf")
        self._folder = LogFolder(
            self._directory,
            Naming(settings.filename),
            max_bytes=settings.max_bytes,
            where=zone(settings.timezone),
            fsync=settings.fsync,
        )
        self._writer = WriterThread(
            self._folder, self._encode, housekeeping=self._keep_house, max_pending=settings.max_pending
        )
        self._announce()
        self._writer.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        writer, self._writer = self._writer, None
        if writer is None:
            return
        self._ending_until = float("inf")  # Sinks that stop at the same time must not appear as disabled.
        writer.finish(STOP_PATIENCE)
        deadline = time.monotonic() + STOP_PATIENCE + 1
        # Polling instead of joining: a hanging disk would block the joining thread, and with it the end of the process.
        while writer.is_alive() and time.monotonic() < deadline:  # noqa: ASYNC110  as said
            await asyncio.sleep(0.005)

    @orbit.hookimpl
    async def log(self, record: orbit.ChatRecord) -> None:
        """Pass the record to the writer thread."""
        assert self._writer is not None
        self._writer.put(record)

    async def flush(self) -> None:
        """Wait until every record logged so far is on disk."""
        assert self._writer is not None
        loop = asyncio.get_running_loop()
        done = asyncio.Event()
        self._writer.when_written(lambda: _tell(loop, done))
        await done.wait()

    async def health(self) -> orbit.Health:
        """Return degraded while the folder is not writable: replies continue, records wait in memory."""
        writer = self._writer
        if writer is None:
            return orbit.Health("down", "not started")
        counts = f"{writer.written} written, {writer.waiting} waiting, {writer.dropped} dropped"
        if writer.problem:
            return orbit.Health("degraded", f"{writer.problem} ({counts})")
        return orbit.Health("ok", counts)

    def metrics(self) -> Mapping[str, float]:
        """Return metrics: records on disk, waiting in memory and dropped, and failed attempts to write."""
        writer = self._writer
        if writer is None:
            return {}
        return {
            "written_total": writer.written,
            "waiting": writer.waiting,
            "dropped_total": writer.dropped,
            "failures_total": writer.failures,
        }

    def validate(self) -> Iterable[str]:
        """Yield invalid patterns, unknown time zones, and a folder that is a file."""
        for pattern in self.settings.redact:
            try:
                if re.search(pattern, ""):
                    yield f"redact: '{pattern}' matches an empty text, and therefore everywhere"
            except re.error as error:
                yield f"redact: '{pattern}' is not a valid regular expression: {error}"
        try:
            zone(self.settings.timezone)
        except ValueError as error:
            yield f"timezone: {error}"
        filename = self.settings.filename
        if Path(filename).name != filename and filename != "..":
            yield f"filename: '{filename}' is a path; put the folder under directory"
        elif "\0" in filename or filename == ".." or len(os.fsencode(filename)) > _LONGEST_NAME:
            yield f"filename: cannot name a file; use at most {_LONGEST_NAME} letters, digits, '.', '_' or '-'"
        if "\0" in self.settings.directory:
            yield "directory: its name cannot be used"
            return
        directory = self._place()
        lowest = next(path for path in (directory, *directory.parents) if os.path.lexists(path))
        if lowest.is_dir():
            return
        if not self._given.is_absolute() and self.host.data_dir.absolute().is_relative_to(lowest):
            return  # the check of the data folder reports it
        yield f"directory: '{lowest}' is a file"

    @property
    def _given(self) -> Path:
        return Path(self.settings.directory).expanduser()

    def _place(self) -> Path:
        return self._given if self._given.is_absolute() else self.settings.folder(self.host.data_dir)

    def _encode(self, record: orbit.ChatRecord) -> bytes:
        now = time.monotonic()
        if now >= self._ending_until or not self._ending:
            self._ending = ending(statuses(self._directory))
            self._ending_until = now + STATUS_EVERY
        return self._encoder.encode(record, self._ending)

    def _announce(self) -> None:
        try:
            self._folder.announce()
        except OSError:
            return  # The first record reports what is wrong with the folder, and retries until it is fixed.

    def _keep_house(self) -> None:
        self._announce()
        self._folder.expire(self.settings.days_kept, self.settings.unsent_days)


def _tell(loop: asyncio.AbstractEventLoop, done: asyncio.Event) -> None:
    with contextlib.suppress(RuntimeError):  # The loop may be closed: nobody waits any more.
        loop.call_soon_threadsafe(done.set)
