"""One timer for many deadlines."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Protocol

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
        self._loop: asyncio.AbstractEventLoop | None = None
        """The running loop; None if nothing is watched."""

    def add(self, watched: Watched) -> None:
        """Start looking at an object."""
        self._watched.add(watched)
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._loop.call_later(PERIOD, self._tick)

    def discard(self, watched: Watched) -> None:
        """Stop looking at an object."""
        self._watched.discard(watched)

    def current_task(self) -> asyncio.Task[Any] | None:
        """Return the current task, without the system call if something is watched."""
        return asyncio.current_task(self._loop)

    def _tick(self) -> None:
        now = time.monotonic()
        for watched in tuple(self._watched):
            try:
                watched.look(now)
            except Exception as error:  # noqa: BLE001 - one that fails must not end the deadlines of all others
                context = {"message": "a deadline could not be checked", "exception": error}
                asyncio.get_running_loop().call_exception_handler(context)
        if self._watched:
            asyncio.get_running_loop().call_later(PERIOD, self._tick)
        else:
            self._loop = None
