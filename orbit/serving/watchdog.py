"""Ends a process that does not end by itself, whatever its threads and its event loop are doing."""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
import threading
import time

logger = logging.getLogger("orbit")

_LOOK_SECONDS = 0.1
_LAST_SECONDS = 1.0


class Watchdog(threading.Thread):
    """A thread that ends the process once a deadline has passed. It sleeps until the first deadline is set."""

    def __init__(self) -> None:
        super().__init__(name="watchdog", daemon=True)
        self._deadline = float("inf")
        self._limit = 0.0
        self._status = 1
        self._woken, self._wake = os.pipe()

    def arm(self, seconds: float, status: int = 1) -> None:
        """End the process with ``status`` after so many seconds, unless an earlier deadline is set already.

        Signal handlers may call it: it takes no lock.
        """
        deadline = time.monotonic() + seconds
        if deadline < self._deadline:
            self._deadline, self._limit, self._status = deadline, seconds, status
            os.write(self._wake, b".")

    def run(self) -> None:
        """Wait for a deadline, then end the process."""
        os.read(self._woken, 1)
        while time.monotonic() < self._deadline:
            time.sleep(_LOOK_SECONDS)
        last = threading.Thread(target=self._last, daemon=True)  # a held lock must not block this thread
        last.start()
        last.join(_LAST_SECONDS)
        os._exit(self._status)

    def _last(self) -> None:
        for child in multiprocessing.active_children():
            child.kill()
        if self._status:
            self._report()

    def _report(self) -> None:
        frames = sys._current_frames()  # noqa: SLF001  # the documented way to see what threads do
        busy = [
            f"{thread.name} in {frame.f_code.co_qualname} ({frame.f_code.co_filename}, line {frame.f_lineno})"
            for thread in threading.enumerate()
            if not thread.daemon and (frame := frames.get(thread.ident or 0)) is not None
        ]
        logger.error("did not stop within %g s and is ended now. Still running: %s", self._limit, "; ".join(busy))
        for handler in logging.getLogger().handlers:
            handler.flush()
