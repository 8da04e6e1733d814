"""Permanently rejected records: stores them as dead letters, reports them, and resends them on request."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

from orbit.chatlog import DeadLetter, FollowerFolder
from orbit_es.documents import Entry

_log = logging.getLogger(__name__)

COMPLAIN_EVERY = 60.0


class Refusals:
    """The dead letters of the follower in ``folder``, whose lock it holds. Not thread-safe."""

    def __init__(self, folder: FollowerFolder, records: int, size: int) -> None:
        """Set the size of a resend request: ``records`` and ``size`` in bytes. Open nothing."""
        self._folder = folder
        self._letters = folder.dead_letters()
        self._records = records
        self._size = size
        self._reason = ""
        self._untold = 0
        self._told_at = float("-inf")

    def count(self) -> int:
        """Return the number of dead letters. Raises OSError."""
        return self._letters.count()

    def tidy(self) -> None:
        """Remove leftovers of a killed process. Call it once, with the lock."""
        self._letters.tidy()

    def close(self) -> None:
        """Close open files."""
        self._letters.close()

    def keep(self, letters: Sequence[DeadLetter] = ()) -> None:
        """Store letters, with a warning at most once a minute. Raises OSError; then call it again without letters."""
        self._untold += len(letters)
        self._reason = letters[-1].reason if letters else self._reason
        self._letters.add(letters)
        if self._untold and time.monotonic() - self._told_at >= COMPLAIN_EVERY:
            _log.error(
                "Elasticsearch rejects records permanently: %s (%d, kept in %s). After fixing the cause, run "
                "'orbit logs replay --dead-letters' to send them again.",
                self._reason,
                self._untold,
                self._folder.path,
            )
            self._untold, self._told_at = 0, time.monotonic()

    def drop(self, unwanted: Callable[[Entry], bool]) -> None:
        """Delete the letters of some lines. Raises OSError."""
        for path in self._letters.files():
            with self._letters.rewriting(path) as keep:
                for batch in self._batches(path):
                    keep(letter for letter in batch if not unwanted(_entry_of(letter)))

    async def send_again(self, send: Callable[[list[Entry]], Awaitable[list[DeadLetter]]]) -> None:
        """Send all letters again and keep those that ``send`` returns as rejected. Raises OSError."""
        for path in self._letters.files():
            with self._letters.rewriting(path) as keep:
                for batch in self._batches(path):
                    keep(await send([_entry_of(letter) for letter in batch]))

    def _batches(self, path: Path) -> Iterator[list[DeadLetter]]:
        return self._letters.batches(path, self._records, self._size)


def _entry_of(letter: DeadLetter) -> Entry:
    return Entry(letter.line.encode(), letter.file, letter.end)
