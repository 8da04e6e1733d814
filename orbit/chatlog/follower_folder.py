"""A follower's folder beside the log, and the lock that gives one process ownership of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

from orbit.chatlog import followers
from orbit.chatlog.deadletters import DeadLetters
from orbit.chatlog.followers import REPLAY, RESEND, FollowerState
from orbit.chatlog.rules import read_rules
from orbit.system.files import lock, open_private, same_file


class FollowerLock:
    """A follower's lock, held until ``close`` or until the process ends, however it ends."""

    def __init__(self, fd: int, path: Path) -> None:
        """Take the locked file ``fd`` at ``path``. Use ``FollowerFolder.take`` instead."""
        self._fd = fd
        self._path = path

    @classmethod
    def take(cls, path: Path) -> Self | None:
        """Lock a file, which is created if missing; return None if another process holds it. Raises OSError."""
        fd = open_private(path)
        if lock(fd, wait=False):
            return cls(fd, path)
        os.close(fd)
        return None

    def is_there(self) -> bool:
        """Return whether the file still exists. If it was deleted, another process may lock a new one."""
        return same_file(self._fd, self._path)

    def close(self) -> None:
        """Release the lock."""
        os.close(self._fd)


class FollowerFolder:
    """The files of the follower ``name`` of the log in ``directory``, under ``path``: lock, state and dead letters.

    Hold the lock while you write a state, change dead letters or end a request. Anyone may read.
    """

    def __init__(self, directory: Path, name: str) -> None:
        """Set the paths only; ``take`` creates the folder."""
        self.directory = directory
        self.path = followers.follower_folder(directory, name)

    def take(self) -> FollowerLock | None:
        """Take the lock, or return None while another process holds it. Raises OSError.

        Creates the folder, for its owner only.
        """
        followers.make_private(self.path)
        return FollowerLock.take(self.path / "lock")

    def read_state(self) -> FollowerState | None:
        """Return the last saved state; None if it is missing or unreadable."""
        return followers.read_state(self.path)

    def write_state(self, state: FollowerState) -> None:
        """Save a state atomically. Raises OSError.

        Save it when it changes and every few seconds: ``updated`` is the follower's heartbeat.
        """
        followers.write_state(self.path, state)

    def dead_letters(self) -> DeadLetters:
        """Return the dead letters. Their files follow the rules of the log: size, days, mode."""
        return DeadLetters(self.path, read_rules(self.directory))

    def replay_since(self) -> float | None:
        """Return the time (Unix seconds) to replay records from, by ``orbit logs replay``; None without a request."""
        return followers.requested_replay(self.path)

    def end_replay(self) -> None:
        """Remove the request. Before that, save a state whose ``lag_records`` counts the records to send again."""
        (self.path / REPLAY).unlink(missing_ok=True)

    def wants_dead_letters(self) -> bool:
        """Return whether ``orbit logs replay --dead-letters`` requests them again."""
        return (self.path / RESEND).exists()

    def end_dead_letters(self) -> None:
        """Remove the request, after trying each letter and saving the state."""
        (self.path / RESEND).unlink(missing_ok=True)
