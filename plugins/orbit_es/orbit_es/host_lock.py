"""The host's lock: of all processes that would follow the chat log, the one that holds it does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

from orbit.chatlog import lock, make_private, open_lock, same_file


class HostLock:
    """The lock in a follower's folder, held until ``close`` or the end of the process."""

    def __init__(self, fd: int, path: Path) -> None:
        """``fd`` is the file at ``path``, locked; ``take`` makes both."""
        self._fd = fd
        self._path = path

    @classmethod
    def take(cls, folder: Path) -> Self | None:
        """Take the lock, and make the folder where there is none; None if another has it. Raises OSError."""
        make_private(folder)
        path = folder / "lock"
        fd = open_lock(path)
        if lock(fd, wait=False):
            return cls(fd, path)
        os.close(fd)
        return None

    def is_there(self) -> bool:
        """Whether the file is still there; if not, another process may have taken a lock in its place."""
        return same_file(self._fd, self._path)

    def close(self) -> None:
        """Give the lock back."""
        os.close(self._fd)
