"""A deadline for each piece of a stream that costs next to nothing while the stream flows."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from typing import TypeVar

T = TypeVar("T")


class StallTimer:
    """Ends the wait for the next item of a stream when it takes too long, and only that wait.

    ``asyncio.timeout`` around each item would set and cancel a timer each time; here one timer looks now and then
    whether a wait is overdue. Time that the consumer spends between items does not count.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._due = math.inf
        self._task: asyncio.Task[object] | None = None
        self._handle: asyncio.TimerHandle | None = None
        self._expired = False

    async def next(self, items: AsyncIterator[T], seconds: float) -> T:
        """Return the next item. Raises TimeoutError after ``seconds``, StopAsyncIteration at the end."""
        now = self._loop.time()
        self._due = now + seconds
        self._task = asyncio.current_task()
        if self._handle is None or self._handle.when() > self._due:
            self._arm(self._due)
        try:
            return await anext(items)
        except asyncio.CancelledError:
            if self._expired and self._task is not None and self._task.uncancel() == 0:
                raise TimeoutError from None
            raise
        finally:
            self._due = math.inf

    def close(self) -> None:
        """Stop the timer."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _arm(self, when: float) -> None:
        self.close()
        self._handle = self._loop.call_at(when, self._look)

    def _look(self) -> None:
        self._handle = None
        if self._due is math.inf:
            return  # between items; the next wait arms the timer again
        if self._loop.time() >= self._due and self._task is not None:
            self._expired = True
            self._task.cancel()
        else:
            self._arm(self._due)
