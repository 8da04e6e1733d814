"""Names in the log what takes long, so that a start that hangs says where."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

logger = logging.getLogger("orbit.plugins")

SECONDS = 5.0
"""After this time, and then again after twice, four times ... as long, the log names what is still going on."""


@contextmanager
def announced(what: str, limit: str = "") -> Iterator[None]:
    """Log a warning while the block runs, once it has taken ``SECONDS``. It works even if the event loop is blocked."""
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
