"""Ids, times, changes and pages of records."""

from __future__ import annotations

import os
import time
from typing import Any

import msgspec
from msgspec import UNSET

PAGE = 100
"""Default page size of a listing, in records."""


def new_id() -> str:
    """Return an id of 24 hexadecimal digits that sorts by its time, as MongoDB's ObjectId does."""
    seconds, fraction = divmod(time.time(), 1)
    return (int(seconds).to_bytes(4, "big") + int(fraction * 2**24).to_bytes(3, "big") + os.urandom(5)).hex()


def now() -> float:
    """Return the time in Unix seconds, in whole milliseconds: what MongoDB's dates can hold."""
    return round(time.time(), 3)


def set_fields(changes: msgspec.Struct) -> dict[str, Any]:
    """Return the fields of changes that are set, by name."""
    return {name: value for name, value in msgspec.structs.asdict(changes).items() if value is not UNSET}
