"""The rules of a log, stored in its folder for sinks that keep files of their own beside it."""

from __future__ import annotations

import os
from datetime import UTC, tzinfo
from pathlib import Path

import msgspec

from orbit.chatlog.naming import zone
from orbit.system.files import read_at, write_at

WRITERS = ".writers"
"""The file of the rules. Writers of the log hold a lock on it."""
LONGEST = 4096


class Rules(msgspec.Struct, frozen=True):
    """The largest file in bytes, and the zone in which days change (``UTC``, ``local`` or a zone's name)."""

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
    """Return the name of a zone as in settings; None is the local one."""
    return "local" if where is None else str(where)


def write_rules(fd: int, rules: Rules) -> None:
    """Write the rules to the open file, unless it contains them already. Raises OSError."""
    data = msgspec.json.encode(rules)
    if read_at(fd, LONGEST, 0) != data:
        write_at(fd, data, 0)
        os.ftruncate(fd, len(data))


def read_rules(directory: Path) -> Rules:
    """Return the rules of the log in a folder; the defaults if none are readable."""
    try:
        return msgspec.json.decode((directory / WRITERS).read_bytes(), type=Rules)
    except (OSError, msgspec.DecodeError):
        return Rules()
