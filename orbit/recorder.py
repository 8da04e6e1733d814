"""Hands the records of finished turns to the log sinks, in the background."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from orbit.errors import ProviderError
from orbit.plugins.calls import call
from orbit.types import CallContext, ChatRecord

logger = logging.getLogger("orbit.log")

_CAPACITY = 10_000


class Recorder:
    """A queue and a task for each sink, so that a slow sink delays neither replies nor the other sinks.

    A sink keeps its own spool; if it cannot even take records, the newest beyond the capacity are counted as lost.
    """

    def __init__(self, sinks: Mapping[str, Callable[..., Any]], seconds: float) -> None:
        self.lost = 0
        self._seconds = seconds
        self._sinks = sinks
        self._queues: dict[str, asyncio.Queue[tuple[ChatRecord, CallContext]]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        for name, caller in self._sinks.items():
            queue: asyncio.Queue[tuple[ChatRecord, CallContext]] = asyncio.Queue(_CAPACITY)
            self._queues[name] = queue
            self._tasks.append(asyncio.create_task(self._deliver(name, caller, queue), name=f"log to {name}"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._seconds):
                await asyncio.gather(*(queue.join() for queue in self._queues.values()))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def record(self, record: ChatRecord, context: CallContext) -> None:
        """Queue a record for every sink; returns at once."""
        for name, queue in self._queues.items():
            try:
                queue.put_nowait((record, context))
            except asyncio.QueueFull:
                self.lost += 1
                logger.error("%s is too far behind; the record of request %s is lost", name, record.request_id)  # noqa: TRY400  # no traceback helps

    async def _deliver(
        self, name: str, caller: Callable[..., Any], queue: asyncio.Queue[tuple[ChatRecord, CallContext]]
    ) -> None:
        while True:
            record, context = await queue.get()
            try:
                await call(name, "log", lambda: caller(record=record, context=context), self._seconds)  # noqa: B023  # awaited before the next turn of the loop
            except ProviderError as error:
                logger.warning("%s", error)
            finally:
                queue.task_done()
