"""The folder of a follower of the log, and the lock that makes one process its owner."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

from orbit.chatlog import followers
from orbit.chatlog.deadletters import DeadLetters
from orbit.chatlog.followers import REPLAY, RESEND, FollowerState
from orbit.chatlog.locks import lock, open_lock, same_file
from orbit.chatlog.rules import read_rules


class FollowerLock:
    """The lock of a follower, held until ``close`` or the end of the process, however it ends."""

    def __init__(self, fd: int, path: Path) -> None:
        """``fd`` is the locked file at ``path``; ``FollowerFolder.take`` makes both."""
        self._fd = fd
        self._path = path

    @classmethod
    def take(cls, path: Path) -> Self | None:
        """Lock a file, made if it is missing; None if another process holds it. Raises OSError."""
        fd = open_lock(path)
        if lock(fd, wait=False):
            return cls(fd, path)
        os.close(fd)
        return None

    def is_there(self) -> bool:
        """Whether the file still exists. If it was deleted, another process may hold a lock in its place."""
        return same_file(self._fd, self._path)

    def close(self) -> None:
        """Release the lock."""
        os.close(self._fd)


class FollowerFolder:
    """What the follower ``name`` of the log in ``directory`` keeps, in ``path``: its lock, its state, its dead letters.

    Hold the lock before you write a state, change dead letters or end a request. Anybody may read.
    """

    def __init__(self, directory: Path, name: str) -> None:
        """Touch nothing: ``take`` makes the folder."""
        self.directory = directory
        self.path = followers.follower_folder(directory, name)

    def take(self) -> FollowerLock | None:
        """Take the lock; None while another process holds it. Makes the folder, for its owner only. Raises OSError."""
        followers.make_private(self.path)
        return FollowerLock.take(self.path / "lock")

    def read_state(self) -> FollowerState | None:
        """Return the state that was saved last; None if there is none, or it cannot be read."""
        return followers.read_state(self.path)

    def write_state(self, state: FollowerState) -> None:
        """Save a state, whole or not at all. Raises OSError.

        Save it when it changes and every few seconds: its ``updated`` is the follower's sign of life.
        """
        followers.write_state(self.path, state)

    def dead_letters(self) -> DeadLetters:
        """Return the dead letters, in files that obey the rules of the log: size, days, mode."""
        return DeadLetters(self.path, read_rules(self.directory))

    def replay_since(self) -> float | None:
        """Return from which time (Unix seconds) ``orbit logs replay`` wants records sent again; None if it does not."""
        return followers.requested_replay(self.path)

    def end_replay(self) -> None:
        """Take the request away. First save a state whose ``lag_records`` counts the records to send again."""
        (self.path / REPLAY).unlink(missing_ok=True)

    def wants_dead_letters(self) -> bool:
        """Whether ``orbit logs replay --dead-letters`` wants them sent again."""
        return (self.path / RESEND).exists()

    def end_dead_letters(self) -> None:
        """Take the request away, once each letter has been tried and the state is saved."""
        (self.path / RESEND).unlink(missing_ok=True)
