"""Admission control: limits running and waiting turns, and shares places fairly between keys."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from types import TracebackType
from typing import Any

from orbit.config.model import HostConfig
from orbit.errors import Overloaded


def room(settings: HostConfig) -> tuple[int, int, float]:
    """Return the number of places, the length of the queue, and the longest wait in seconds."""
    return settings.limits.max_concurrent, settings.limits.max_queued, settings.timeouts.queue


class Admission:
    """A bounded number of places, and a bounded queue for them.

    A free place goes to the waiting key that holds the fewest places, round-robin among equals. Each key's turns are
    served first come, first served. When the queue is full, the key with the most waiting turns loses its newest one,
    so that no key can fill the queue for the others.
    """

    def __init__(self, places: int, queue: int, seconds: float) -> None:
        """Take the number of places, the length of the queue, and the longest wait in seconds."""
        self._places = places
        self._free = places
        """Below zero after ``resize`` took places that turns hold."""
        self._queue_size = queue
        self._seconds = seconds
        self._queues: dict[str, deque[asyncio.Future[None]]] = {}
        self._held: dict[str, int] = {}
        self.running = 0

    def resize(self, places: int, queue: int, seconds: float) -> None:
        """Take other numbers. Turns that run or wait keep what they have."""
        self._free += places - self._places
        self._places, self._queue_size, self._seconds = places, queue, seconds
        while self._free > 0 and self._admit_next():
            self._free -= 1

    @property
    def waiting(self) -> int:
        """The number of turns that wait for a place."""
        return sum(map(len, self._queues.values()))

    def place(self, key: str = "") -> Place:
        """Return an async context manager that holds a place for a turn of ``key``. Entering it raises Overloaded."""
        return Place(self, key)

    def check(self, key: str) -> None:
        """Raise Overloaded if ``enter`` would refuse a turn of ``key`` at once."""
        if self._free <= 0 and self._full_for(key):
            raise _full()

    def take(self, key: str) -> bool:
        """Take a free place, which ``leave`` releases. Returns False if there is none."""
        if self._free <= 0:
            return False
        self._free -= 1
        self._hold(key)
        return True

    async def enter(self, key: str) -> None:
        """Wait for a place; ``leave`` releases it. Raises Overloaded if the queue is full or the wait too long."""
        if not self.take(key):
            await self._wait(key)

    def leave(self, key: str) -> None:
        """Release a place and hand it to the next turn in line."""
        self.running -= 1
        held = self._held.pop(key) - 1
        if held:
            self._held[key] = held
        if self._free < 0 or not self._queues or not self._admit_next():
            self._free += 1

    def _admit_next(self) -> bool:
        """Give a place to the next turn in line. Returns False if none waits."""
        while self._queues:
            next_key = min(self._queues, key=lambda key: self._held.get(key, 0))
            waiter = self._queues[next_key].popleft()
            if queue := self._queues.pop(next_key):
                self._queues[next_key] = queue  # after the keys that hold as many places
            if not waiter.done():
                self._hold(next_key)
                waiter.set_result(None)
                return True
        return False

    def _hold(self, key: str) -> None:
        self._held[key] = self._held.get(key, 0) + 1
        self.running += 1

    async def _wait(self, key: str) -> None:
        self._make_room(key)
        waiter = asyncio.get_running_loop().create_future()
        self._queues.setdefault(key, deque()).append(waiter)
        try:
            async with asyncio.timeout(self._seconds):
                await waiter
        except BaseException as error:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.leave(key)  # the place became free at the same moment: pass it on
            else:
                self._forget(key, waiter)
            if isinstance(error, TimeoutError):
                raise Overloaded(f"no place came free within {self._seconds:g} s; try again in a moment.") from error
            raise

    def _full_for(self, key: str) -> bool:
        """Whether the queue is full and, with one more turn of ``key``, no other key would have more turns in it."""
        longest = max(map(len, self._queues.values()), default=0)
        return self.waiting >= self._queue_size and longest <= len(self._queues.get(key, ())) + 1

    def _make_room(self, key: str) -> None:
        if self._full_for(key):
            raise _full()
        if self.waiting >= self._queue_size:
            longest = max(self._queues, key=lambda key: len(self._queues[key]))
            newest = self._queues[longest].pop()
            if not newest.done():
                newest.set_exception(_full())

    def _forget(self, key: str, waiter: asyncio.Future[None]) -> None:
        queue = self._queues.get(key)
        if queue and waiter in queue:
            queue.remove(waiter)
            if not queue:
                del self._queues[key]


class Place:
    """An async context manager that holds a place for one turn."""

    __slots__ = ("_admission", "_key")

    def __init__(self, admission: Admission, key: str) -> None:
        self._admission = admission
        self._key = key

    def __aenter__(self) -> Coroutine[Any, Any, None]:
        return self._admission.enter(self._key)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._admission.leave(self._key)


def _full() -> Overloaded:
    return Overloaded("the server is busy and its queue is full; try again in a moment.")
