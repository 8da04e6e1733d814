"""Keeps `orbit backup` and writers out of each other's way: a copy taken while an index changes lacks parts of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

if sys.platform != "win32":
    import fcntl

MARK: Final = "orbit-writes"
"""`orbit backup` locks the file of this name while it copies the folder."""


@contextmanager
def no_backup(folder: Path) -> Iterator[None]:
    """Wait for a backup of the folder, and keep the next one waiting. Blocks; several writers may be inside."""
    with (folder / MARK).open("ab") as mark:
        if sys.platform != "win32":
            fcntl.flock(mark, fcntl.LOCK_SH)
        yield
