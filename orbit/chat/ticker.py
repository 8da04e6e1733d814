"""One timer for many deadlines."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

PERIOD = 0.05
"""Seconds between two looks. A deadline that starts with its first look may pass twice as long unnoticed."""


class Watched(Protocol):
    """Something that has a deadline."""

    def look(self, now: float) -> None:
        """See whether it has passed; ``now`` is that of ``time.monotonic``."""
        ...


class Ticker:
    """Calls ``look`` of each watched object every ``PERIOD`` seconds.

    A timer for each wait would cost a request more than all other supervision. Times are those of ``time.monotonic``:
    finding the running loop costs a system call before Python 3.12.
    """

    def __init__(self) -> None:
        self._watched: set[Watched] = set()
        self._ticking = False

    def add(self, watched: Watched) -> None:
        """Start looking at an object."""
        self._watched.add(watched)
        if not self._ticking:
            self._ticking = True
            asyncio.get_running_loop().call_later(PERIOD, self._tick)

    def discard(self, watched: Watched) -> None:
        """Stop looking at an object."""
        self._watched.discard(watched)

    def _tick(self) -> None:
        now = time.monotonic()
        for watched in tuple(self._watched):
            try:
                watched.look(now)
            except Exception as error:  # noqa: BLE001 - one that fails must not end the deadlines of all others
                context = {"message": "a deadline could not be checked", "exception": error}
                asyncio.get_running_loop().call_exception_handler(context)
        self._ticking = bool(self._watched)
        if self._ticking:
            asyncio.get_running_loop().call_later(PERIOD, self._tick)
