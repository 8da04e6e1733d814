"""Logs slow steps while they run, so that the log shows where a start hangs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

logger = logging.getLogger("orbit.plugins")

SECONDS = 5.0
"""The log names a step that still runs after this time, then again after 2, 4, 8 ... times as long."""


@contextmanager
def announced(what: str, limit: str = "") -> Iterator[None]:
    """Log a warning if the block still runs after ``SECONDS``. A thread keeps time, in case the event loop blocks."""
    done = threading.Event()

    def watch() -> None:
        pause = waited = SECONDS
        while not done.wait(pause):
            logger.warning("still %s after %g s%s", what, waited, limit)
            pause, waited = waited, waited * 2

    timer = threading.Thread(target=watch, name="orbit-announce", daemon=True)
    timer.start()
    try:
        yield
    finally:
        done.set()
        timer.join()
