"""Many deadlines watched by one timer."""

from __future__ import annotations

import asyncio
from typing import Protocol

PERIOD = 0.05
"""Seconds between two looks: how late a deadline may be noticed."""


class Watched(Protocol):
    """Something that has a deadline."""

    def look(self, now: float) -> None:
        """See whether it has passed; ``now`` is the event loop's time."""
        ...


class Ticker:
    """Calls ``look`` of everything added, each ``PERIOD``, while there is anything.

    Setting and cancelling a timer of its own for each wait costs a request more than all else that watches it.
    """

    def __init__(self) -> None:
        self._watched: set[Watched] = set()
        self._ticking = False

    def add(self, watched: Watched) -> None:
        """Begin to look at it."""
        self._watched.add(watched)
        if not self._ticking:
            self._ticking = True
            asyncio.get_running_loop().call_later(PERIOD, self._tick)

    def discard(self, watched: Watched) -> None:
        """Look at it no more."""
        self._watched.discard(watched)

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for watched in tuple(self._watched):
            watched.look(now)
        self._ticking = bool(self._watched)
        if self._ticking:
            loop.call_later(PERIOD, self._tick)
