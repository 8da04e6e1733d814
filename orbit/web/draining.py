"""A graceful end: the server says that it is not ready, and only then closes its sockets."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

logger = logging.getLogger("orbit")

NOTICE_SECONDS = 1.0
"""Time for load balancers to see that readiness is gone, in seconds."""


@contextmanager
def announced_end(draining: asyncio.Event) -> Iterator[None]:
    """While entered, the first SIGTERM or SIGINT sets ``draining`` and reaches the server a little later.

    A second one reaches it at once. It wraps the handlers that the server has installed, so it works the same in a
    single process and in each of several workers; only that Ctrl-C, which a terminal sends to all processes, is for
    the supervisor of the workers to pass on. Outside the main thread (tests) it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    former: dict[signal.Signals, Any] = {}

    def handle(number: int, frame: FrameType | None) -> None:
        pass_on = former[signal.Signals(number)]
        if draining.is_set():
            pass_on(number, frame)
            return
        loop.call_soon_threadsafe(announce, number, pass_on)

    def announce(number: int, pass_on: Callable[[int, FrameType | None], object]) -> None:
        logger.info("stopping: no longer ready, running answers may end")
        draining.set()
        loop.call_later(NOTICE_SECONDS, pass_on, number, None)

    is_worker = multiprocessing.parent_process() is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        former[number] = signal.signal(number, signal.SIG_IGN if is_worker and number == signal.SIGINT else handle)
    try:
        yield
    finally:
        for known, handler in former.items():
            if signal.getsignal(known) is handle:
                signal.signal(known, handler)
