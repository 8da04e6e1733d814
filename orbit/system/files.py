"""Open files, positions in them and advisory locks on them, alike on POSIX and on Windows.

The system releases a lock when its holder dies, however it dies.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

if sys.platform == "win32":
    import ctypes
    import msvcrt
    from ctypes import wintypes

    _EXCLUSIVE, _AT_ONCE, _HELD_BY_ANOTHER = 2, 1, 33  # LOCKFILE_* flags; ERROR_LOCK_VIOLATION
    _kernel = ctypes.WinDLL("kernel32", use_last_error=True)

    class _Place(ctypes.Structure):
        """OVERLAPPED: the byte to lock. Windows blocks access to it, so it lies far behind every content."""

        _fields_ = (
            ("internal", ctypes.c_void_p),
            ("internal_high", ctypes.c_void_p),
            ("offset", wintypes.DWORD),
            ("offset_high", wintypes.DWORD),
            ("event", wintypes.HANDLE),
        )

    def _lock(fd: int, *, shared: bool, wait: bool) -> bool:
        handle = wintypes.HANDLE(msvcrt.get_osfhandle(fd))
        flags = (0 if shared else _EXCLUSIVE) | (0 if wait else _AT_ONCE)
        if not _kernel.LockFileEx(handle, flags, 0, 1, 0, ctypes.byref(_Place(offset_high=0x7FFFFFFF))):
            if ctypes.get_last_error() == _HELD_BY_ANOTHER:
                return False
            raise ctypes.WinError(ctypes.get_last_error())
        return True

    def unlock(fd: int) -> None:
        """Release a lock."""
        handle = wintypes.HANDLE(msvcrt.get_osfhandle(fd))
        if not _kernel.UnlockFileEx(handle, 0, 1, 0, ctypes.byref(_Place(offset_high=0x7FFFFFFF))):
            raise ctypes.WinError(ctypes.get_last_error())

    def read_at(fd: int, size: int, position: int) -> bytes:
        """Return up to ``size`` bytes from a position. Raises OSError."""
        os.lseek(fd, position, os.SEEK_SET)
        return os.read(fd, size)

    def write_at(fd: int, data: bytes, position: int) -> int:
        """Write at a position; return how many bytes. Raises OSError."""
        os.lseek(fd, position, os.SEEK_SET)
        return os.write(fd, data)

    def longest_name(folder: Path) -> int:  # noqa: ARG001  # NTFS has one limit
        """Return the maximum length of a file's name in a folder."""
        return 255

    _BINARY, _NO_FOLLOW, _NO_WAIT = os.O_BINARY, 0, 0
else:
    import fcntl

    def _lock(fd: int, *, shared: bool, wait: bool) -> bool:
        try:
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        return True

    def unlock(fd: int) -> None:
        """Release a lock."""
        fcntl.flock(fd, fcntl.LOCK_UN)

    def read_at(fd: int, size: int, position: int) -> bytes:
        """Return up to ``size`` bytes from a position. Raises OSError."""
        return os.pread(fd, size, position)

    def write_at(fd: int, data: bytes, position: int) -> int:
        """Write at a position; return how many bytes. Raises OSError."""
        return os.pwrite(fd, data, position)

    def longest_name(folder: Path) -> int:
        """Return the maximum length of a file's name in a folder, in bytes. Raises OSError."""
        return os.pathconf(folder, "PC_NAME_MAX")

    _BINARY, _NO_FOLLOW, _NO_WAIT = 0, os.O_NOFOLLOW, os.O_NONBLOCK


def lock(fd: int, *, shared: bool = False, wait: bool = True) -> bool:
    """Lock an open file. Return False if another process holds the lock and ``wait`` is not set. Raises OSError."""
    return _lock(fd, shared=shared, wait=wait)


def open_private(path: Path, flags: int = 0) -> int:
    """Open a file for reading and writing. If it does not exist, create it for its owner only. Raises OSError."""
    return os.open(path, os.O_RDWR | os.O_CREAT | _BINARY | flags, 0o600)


def open_source(path: Path, *, follow: bool) -> int:
    """Open a file for reading; a pipe does not block. Raises OSError, for a link too unless ``follow`` is set."""
    return os.open(path, os.O_RDONLY | _BINARY | _NO_WAIT | (0 if follow else _NO_FOLLOW))


def is_held(path: Path) -> bool:
    """Return whether a living process holds the exclusive lock on this file."""
    try:
        fd = os.open(path, os.O_RDWR)
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
