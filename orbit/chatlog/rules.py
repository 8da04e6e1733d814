"""The rules of a log, left in its folder for sinks that keep something of their own beside it."""

from __future__ import annotations

import os
from datetime import UTC, tzinfo
from pathlib import Path

import msgspec

from orbit.chatlog.naming import zone

WRITERS = ".writers"
"""The file of the rules, which whoever writes the log holds a lock of."""
LONGEST = 4096


class Rules(msgspec.Struct, frozen=True):
    """How large a file may grow, in bytes, and in which zone days change (``UTC``, ``local`` or a zone's name)."""

    max_bytes: int = 20_000_000
    timezone: str = "UTC"

    @property
    def zone(self) -> tzinfo | None:
        """The zone in which days change; UTC if this machine does not know it."""
        try:
            return zone(self.timezone)
        except ValueError:
            return UTC


def zone_name(where: tzinfo | None) -> str:
    """The name of a zone as settings have it; None is the local one."""
    return "local" if where is None else str(where)


def write_rules(fd: int, rules: Rules) -> None:
    """Put the rules into the open file, unless they are there. Raises OSError."""
    data = msgspec.json.encode(rules)
    if os.pread(fd, LONGEST, 0) != data:
        os.pwrite(fd, data, 0)
        os.ftruncate(fd, len(data))


def read_rules(directory: Path) -> Rules:
    """The rules of the log in a folder; the usual ones where none can be read."""
    try:
        return msgspec.json.decode((directory / WRITERS).read_bytes(), type=Rules)
    except (OSError, msgspec.DecodeError):
        return Rules()
