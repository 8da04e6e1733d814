"""Entry points of the installed distributions. Reading the metadata of some hundred takes 10 ms, so it is kept."""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path

from importlib_metadata import EntryPoint, entry_points


def entries(group: str) -> tuple[EntryPoint, ...]:
    """Return the entry points of a group. Looks them up again once a folder of ``sys.path`` has changed."""
    return _entries(group, tuple((folder, _changed(folder)) for folder in sys.path))


@lru_cache
def _entries(group: str, folders: tuple[tuple[str, int], ...]) -> tuple[EntryPoint, ...]:  # noqa: ARG001  # part of the key
    return tuple(entry_points(group=group))


def _changed(folder: str) -> int:
    try:
        return Path(folder).stat().st_mtime_ns
    except OSError:
        return 0
