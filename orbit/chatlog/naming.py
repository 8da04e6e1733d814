"""Names of log files and their order. Pure functions."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, tzinfo
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo


class LogFile(NamedTuple):
    """One file of the log. Files sort in the order in which they were written."""

    day: date
    number: int
    path: Path


class Naming:
    """The naming scheme of files: ``chat-2025-01-31.log``, then ``chat-2025-01-31.1.log`` and so on."""

    def __init__(self, filename: str = "chat.log") -> None:
        """Take the ``filename`` without the day."""
        self.stem = Path(filename).stem
        self.suffix = Path(filename).suffix
        self._pattern = re.compile(
            rf"{re.escape(self.stem)}-(\d{{4}}-\d{{2}}-\d{{2}})(?:\.([1-9]\d*))?{re.escape(self.suffix)}"
        )

    def name(self, day: date, number: int) -> str:
        """Return the name of a day's file by its number, from 0."""
        return f"{self.stem}-{day.isoformat()}{f'.{number}' if number else ''}{self.suffix}"

    def parse(self, path: Path) -> LogFile | None:
        """Return what a file's name means; None if the file does not belong to the log."""
        match = self._pattern.fullmatch(path.name)
        if match is None:
            return None
        try:
            return LogFile(date.fromisoformat(match[1]), int(match[2] or 0), path)
        except ValueError:
            return None

    def files(self, directory: Path) -> list[LogFile]:
        """Return the log's files in a folder, oldest first; none if the folder is missing. Raises other OSErrors."""
        try:
            found = [self.parse(path) for path in directory.iterdir()]
        except FileNotFoundError:
            return []
        return sorted(file for file in found if file is not None)


def zone(name: str) -> tzinfo | None:
    """Return the time zone for ``UTC``, ``local`` (None, as in ``datetime``) or a zone's name. Raises ValueError."""
    if name.lower() == "utc":
        return UTC
    if name.lower() == "local":
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f"the time zone '{name}' does not exist; use UTC, local or a name such as Europe/Berlin"
        ) from None


def today(timestamp: float, where: tzinfo | None) -> date:
    """Return the day of a time in Unix seconds."""
    return datetime.fromtimestamp(timestamp, where).astimezone(where).date()
