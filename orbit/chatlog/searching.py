"""Searches the log's files for records, for the command line."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from orbit.chatlog.naming import LogFile, Naming
from orbit.chatlog.reading import read_lines
from orbit.types import STATUSES_WITHOUT_ERROR, SourceRef

FAILED = "failed"
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}


class FoundTool(msgspec.Struct, frozen=True):
    """A tool that the server called. Texts that the log does not keep are None."""

    name: str = ""
    provider: str = ""
    arguments: str | None = None
    status: str = ""
    result: str | None = None
    seconds: float = 0.0


class Found(msgspec.Struct, frozen=True):
    """The searchable and displayed fields of a record. Texts that the log does not keep are None."""

    timestamp: datetime
    request_id: str = ""
    session_id: str | None = None
    status: str = ""
    blocked: bool = False
    reason: str = ""
    query: str | None = None
    response: str | None = None
    backend: str = ""
    model: str = ""
    key_id: str = ""
    key_hint: str = ""
    client_name: str = ""
    collection: str | None = None
    sources: tuple[SourceRef, ...] = ()
    durations: dict[str, float] = {}
    prompt_tokens: int = 0
    completion_tokens: int = 0
    tries: int = 0
    tool_uses: tuple[FoundTool, ...] = ()


class Filter(msgspec.Struct, frozen=True):
    """Criteria for records; all given ones must match. Times are in Unix seconds, ``until`` excluded."""

    since: float | None = None
    until: float | None = None
    key: str = ""
    """Id, hint or client name of the API key."""
    blocked: bool | None = None
    status: str = ""
    """The status, or ``failed`` for every error."""
    failed: bool | None = None
    """Whether the turn ended with an error."""
    session: str = ""
    text: str = ""
    """A substring of query, response or reason, ignoring case, or the whole request id."""

    def wants(self, record: Found) -> bool:
        """Return whether the record matches."""
        made = record.timestamp.timestamp()
        return (
            (self.since is None or made >= self.since)
            and (self.until is None or made < self.until)
            and (not self.key or self.key in (record.key_id, record.key_hint, record.client_name))
            and (self.blocked is None or record.blocked == self.blocked)
            and (not self.status or record.status == self.status or (self.status == FAILED and _failed(record)))
            and (self.failed is None or _failed(record) == self.failed)
            and (not self.session or record.session_id == self.session)
            and (not self.text or self._has_text(record))
        )

    def _has_text(self, record: Found) -> bool:
        wanted = self.text.casefold()
        texts = (record.query, record.response, record.reason)
        return wanted == record.request_id.casefold() or any(wanted in (text or "").casefold() for text in texts)


def _failed(record: Found) -> bool:
    return record.status not in STATUSES_WITHOUT_ERROR


class Search:
    """Searches the files of a log. ``unreadable`` counts lines that are not records."""

    def __init__(self, directory: Path, naming: Naming, wanted: Filter) -> None:
        self.unreadable = 0
        self.directory = directory
        self._naming = naming
        self._wanted = wanted
        self._decoder = msgspec.json.Decoder(Found)
        self._ends: dict[Path, int] = {}

    def all(self) -> Iterator[tuple[bytes, Found]]:
        """Yield every matching record and its line, oldest first. Raises OSError."""
        for file in self._files():
            yield from self._wanted_of(file.path)

    def last(self, count: int) -> list[tuple[bytes, Found]]:
        """Return the last ``count`` matching records, oldest first. Raises OSError."""
        self._ends = {file.path: file.path.stat().st_size for file in self._naming.files(self.directory)}
        newest: list[tuple[bytes, Found]] = []
        for file in reversed(self._files()):
            if len(newest) >= count:
                break
            newest = [*deque(self._wanted_of(file.path), maxlen=count - len(newest)), *newest]
        return newest

    def follow(self, interval: float = 0.2) -> Iterator[tuple[bytes, Found]]:
        """Yield matching records written after those that ``last`` saw, without end. Raises OSError."""
        while True:
            for file in self._naming.files(self.directory):
                end = self._ends.get(file.path, 0)
                # A file that has become shorter is a new one under the same name.
                yield from self._wanted_of(file.path, end if file.path.stat().st_size >= end else 0)
            time.sleep(interval)

    def _files(self) -> list[LogFile]:
        files = self._naming.files(self.directory)
        if self._wanted.since is None:
            return files
        # No record is in the file of an earlier day than its own; one more day covers every time zone.
        first = (datetime.fromtimestamp(self._wanted.since, UTC) - timedelta(days=1)).date()
        return [file for file in files if file.day >= first]

    def _wanted_of(self, path: Path, offset: int = 0) -> Iterator[tuple[bytes, Found]]:
        for line in read_lines(path, offset):
            self._ends[path] = line.end
            found = self._decode(line.data)
            if found is not None and self._wanted.wants(found):
                yield line.data, found

    def _decode(self, line: bytes) -> Found | None:
        try:
            return self._decoder.decode(line)
        except (msgspec.DecodeError, RecursionError):
            self.unreadable += bool(line.strip())
            return None


def parse_time(text: str, now: float) -> float:
    """Parse ``2025-01-31``, ``2025-01-31T09:30`` (UTC by default), or an age (``90m``, ``3d``) to Unix seconds.

    Raises ValueError with a sentence.
    """
    if match := re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", text.strip()):
        return now - float(match[1]) * _UNITS[match[2]]
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(
            f"'{text}' is not a time; use 2025-01-31, 2025-01-31T09:30 or an age such as 90m, 2h, 3d"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
