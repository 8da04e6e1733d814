"""How many chat turns run and wait at the same time."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType

from orbit.errors import Overloaded


class Admission:
    """A bounded number of places and a bounded queue for them, first come, first served.

    Use as ``async with``. Raises Overloaded when the queue is full or waiting took longer than ``seconds``.
    """

    def __init__(self, places: int, queue: int, seconds: float) -> None:
        self._free = places
        self._queue_size = queue
        self._seconds = seconds
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.running = 0

    @property
    def waiting(self) -> int:
        """How many turns wait for a place."""
        return len(self._waiting)

    async def __aenter__(self) -> None:
        if self._free and not self._waiting:
            self._free -= 1
        else:
            await self._wait()
        self.running += 1

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.running -= 1
        self._release()

    def _release(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)  # the place goes straight to the next in line
                return
        self._free += 1

    async def _wait(self) -> None:
        if len(self._waiting) >= self._queue_size:
            raise Overloaded("the server is busy and its queue is full; try again in a moment.")
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout(self._seconds):
                await waiter
        except BaseException as error:
            if waiter.done() and not waiter.cancelled():
                self._release()  # the place came at the same moment: pass it on
            elif waiter in self._waiting:
                self._waiting.remove(waiter)
            if isinstance(error, TimeoutError):
                raise Overloaded(f"no place came free within {self._seconds:g} s; try again in a moment.") from error
            raise
