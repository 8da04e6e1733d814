"""Advisory locks between processes. The kernel releases them when their holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


def lock(fd: int, *, shared: bool = False, wait: bool = True) -> bool:
    """Lock an open file. Return False if another process holds the lock and ``wait`` is not set."""
    try:
        fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def unlock(fd: int) -> None:
    """Release a lock."""
    fcntl.flock(fd, fcntl.LOCK_UN)


def open_lock(path: Path) -> int:
    """Open a lock file. If it does not exist, create it for its owner only."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def is_held(path: Path) -> bool:
    """Return whether a living process holds the exclusive lock on this file."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not lock(fd, shared=True, wait=False)
    finally:
        os.close(fd)


def same_file(fd: int, path: Path) -> bool:
    """Return whether an open file is still the one at this path: not deleted, moved or replaced."""
    try:
        there = path.stat()
    except OSError:
        return False
    return os.path.samestat(os.fstat(fd), there)
