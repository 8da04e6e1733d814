"""Exponential backoff with one log message per outage. Never delays a stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import threading
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from orbit_es.progress import Progress

_log = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_PAUSE = 0.5
LOOK_EVERY = 1.0


async def sleep(seconds: float, stop: asyncio.Event) -> None:
    """Sleep, but return at once when asked to stop."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


class Backoff:
    """Pauses between attempts that keep the metrics of ``progress`` up to date."""

    def __init__(self, longest: float, progress: Progress, stop: asyncio.Event, settled: threading.Event) -> None:
        """Set the longest pause in seconds. ``settled`` is set at the first success or failure."""
        self._longest = longest
        self._progress = progress
        self._stop = stop
        self._settled = settled
        self._failures = 0

    async def answer(self, request: Coroutine[Any, Any, T]) -> T:
        """Wait for a response, which may take ``request_timeout``."""
        task = asyncio.create_task(request)
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=LOOK_EVERY)
                if not task.done():
                    self._progress.look()
            return task.result()
        finally:
            task.cancel()

    def succeeded(self) -> None:
        """Record that Elasticsearch accepts records."""
        progress = self._progress
        if progress.state.status != "enabled":
            if self._failures:
                _log.warning(
                    "Elasticsearch accepts records again; sending the %d that waited in the log files.",
                    progress.spool.pending,
                )
            progress.set_status("enabled")
            progress.save()
        self._failures = 0
        self._settled.set()

    async def failed(self, reason: str, *, passing: bool = False) -> None:
        """Log the first failure and pause. Raises CancelledError if no further attempt should follow.

        ``passing``: a single request to slow down is normal, so it is not logged.
        """
        progress = self._progress
        self._failures += 1
        if not (passing and self._failures == 1):
            if progress.state.status != "unavailable" or self._failures == 1:
                _log.warning(
                    "Elasticsearch accepts no records: %s. They wait in the log files and are sent later.",
                    reason.removesuffix("."),
                )
            progress.set_status("unavailable", reason)
        progress.save()
        self._settled.set()
        if self._stop.is_set():
            raise asyncio.CancelledError
        longest = min(self._longest, FIRST_PAUSE * 2 ** min(self._failures - 1, 16))
        until = time.monotonic() + longest * random.uniform(0.5, 1.0)  # noqa: S311  jitter, no secret
        while (left := until - time.monotonic()) > 0 and not self._stop.is_set():
            await sleep(min(LOOK_EVERY, left), self._stop)
            progress.look()
