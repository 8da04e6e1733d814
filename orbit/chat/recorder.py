"""Delivers the records of finished turns to the log sinks in the background."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from orbit.errors import ProviderError
from orbit.host.calls.calls import attributed, too_slow
from orbit.types import CallContext, ChatRecord

logger = logging.getLogger("orbit.log")

_CAPACITY = 10_000
_GATHER_SECONDS = 0.01
_TURN = 64
"""Records delivered before the event loop serves requests again."""


class Recorder:
    """A queue and a task for each sink, so that a slow sink delays neither replies nor the other sinks.

    Sinks spool records themselves. If a sink is so slow that its queue is full, new records are counted as lost.
    """

    def __init__(
        self, sinks: Mapping[str, Callable[..., Any]], seconds: float, failed: Callable[[ProviderError], None]
    ) -> None:
        """Take the callers of the hook ``log`` by name. Each has ``seconds`` for a record.

        The recorder calls ``failed`` for every record that a sink fails to take.
        """
        self.lost = 0
        self._seconds = seconds
        self._sinks = [_Sink(name, caller, seconds, failed) for name, caller in sinks.items()]
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(sink.deliver(), name=f"log to {sink.name}") for sink in self._sinks]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for sink in self._sinks:
            sink.finish()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for sink in self._sinks:
            if sink.waiting:
                self.lost += len(sink.waiting)
                logger.error("%s did not take the last %d records; they are lost", sink.name, len(sink.waiting))

    def record(self, record: ChatRecord, context: CallContext) -> None:
        """Queue a record for every sink; returns at once."""
        for sink in self._sinks:
            if len(sink.waiting) < _CAPACITY:
                sink.waiting.append((record, context))
                sink.wake.set()
            else:
                self.lost += 1
                logger.error("%s is too far behind; the record of request %s is lost", sink.name, record.request_id)

    @property
    def waiting(self) -> int:
        """The number of records that sinks have not taken yet."""
        return sum(len(sink.waiting) for sink in self._sinks)


class _Sink:
    """The records that one sink has not taken yet, oldest first."""

    def __init__(
        self, name: str, caller: Callable[..., Any], seconds: float, failed: Callable[[ProviderError], None]
    ) -> None:
        self.name = name
        self.waiting: deque[tuple[ChatRecord, CallContext]] = deque()
        self.wake = asyncio.Event()
        self._caller = caller
        self._seconds = seconds
        self._failed = failed
        self._finishing = asyncio.Event()

    def finish(self) -> None:
        """Deliver the waiting records, then end."""
        self._finishing.set()
        self.wake.set()

    async def deliver(self) -> None:
        """Deliver the records in order until ``finish``."""
        loop = asyncio.get_running_loop()
        ended = float("-inf")
        while not (self._finishing.is_set() and not self.waiting):
            await self.wake.wait()
            if not self._finishing.is_set() and loop.time() - ended < _GATHER_SECONDS:
                # Batch the records of a busy moment: waking this task for a single record costs as much as ten records.
                await asyncio.sleep(_GATHER_SECONDS)
            self.wake.clear()
            while self.waiting:
                try:
                    await self._deliver_some()
                except ProviderError as error:
                    logger.warning("%s", error)
                    self._failed(error)
                await asyncio.sleep(0)  # let requests run even if the sink never awaits anything
            ended = loop.time()

    async def _deliver_some(self) -> None:
        """Deliver up to ``_TURN`` records. Drops a record that the sink fails to take, and raises ProviderError."""
        loop = asyncio.get_running_loop()
        deadline = asyncio.timeout(self._seconds)
        armed = loop.time()
        try:
            async with deadline:
                for _ in range(min(_TURN, len(self.waiting))):
                    record, context = self.waiting[0]
                    await self._caller(record=record, context=context)
                    self.waiting.popleft()
                    now = loop.time()
                    if now - armed > self._seconds / 10:  # rescheduling for each record costs too much
                        deadline.reschedule(now + self._seconds)
                        armed = now
        except TimeoutError as error:
            self.waiting.popleft()
            if deadline.expired():
                raise too_slow(self.name, "log", self._seconds) from error
            raise attributed(error, self.name, "log") from error
        except Exception as error:  # plugin code can raise anything
            self.waiting.popleft()
            raised = attributed(error, self.name, "log")
            if raised is error:
                raise
            raise raised from error
