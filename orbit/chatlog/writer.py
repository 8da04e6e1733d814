"""The thread that writes the log, so that a slow or full disk never delays a reply."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

import orbit
from orbit.chatlog.folder import LogFolder

_log = logging.getLogger(__name__)

LINGER = 0.1
"""Seconds to collect records for one write: fewer thread switches, and still well within a second."""
BATCH = 256
"""Records encoded at once: about a millisecond in which the event loop may wait for the GIL."""
FIRST_RETRY = 0.1
LAST_RETRY = 5.0
COMPLAIN_EVERY = 60.0
HOUSEKEEPING_EVERY = 3600.0


class WriterThread(threading.Thread):
    """Takes records from any thread and appends their lines to the folder, retrying until it succeeds.

    The counters can be read at any time: ``written``, ``dropped`` (beyond ``max_pending``) and ``failures`` (of
    attempts to write). ``problem`` is empty while all is well.
    """

    def __init__(
        self,
        folder: LogFolder,
        encode: Callable[[orbit.ChatRecord], bytes],
        *,
        housekeeping: Callable[[], object],
        max_pending: int,
        name: str = "chat-log",
    ) -> None:
        """Set ``encode`` and ``housekeeping``, which this thread calls; the latter now and then."""
        super().__init__(name=name, daemon=True)  # A hanging disk must not keep the process from ending.
        self.written = 0
        self.dropped = 0
        self.failures = 0
        self.problem = ""
        self._folder = folder
        self._encode = encode
        self._housekeeping = housekeeping
        self._max_pending = max_pending
        self._records: deque[orbit.ChatRecord | Callable[[], None]] = deque()
        self._lines: deque[bytes] = deque()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._hurry = threading.Event()
        self._give_up_at = float("inf")
        self._complained_at = float("-inf")

    @property
    def waiting(self) -> int:
        """Records accepted but not yet on disk."""
        return len(self._records) + len(self._lines)

    def put(self, record: orbit.ChatRecord) -> None:
        """Queue a record for writing. Never blocks; beyond ``max_pending`` it drops the record and counts it."""
        if self.waiting >= self._max_pending:
            self.dropped += 1
            return
        self._records.append(record)
        if not self._wake.is_set():  # the thread clears it before it takes records, so it will see this one
            self._wake.set()

    def when_written(self, callback: Callable[[], None]) -> None:
        """Call back, in the thread, once all records queued so far are on disk."""
        self._records.append(callback)
        self._hurry.set()
        self._wake.set()

    def finish(self, patience: float) -> None:
        """Write the queued records, then end. After ``patience`` seconds of failures, give up. Does not block."""
        self._give_up_at = time.monotonic() + patience
        self._closing.set()
        self._hurry.set()
        self._wake.set()

    def run(self) -> None:
        """Write until ``finish`` is called."""
        pause = FIRST_RETRY
        next_housekeeping = time.monotonic()
        while True:
            if time.monotonic() >= next_housekeeping:
                next_housekeeping = time.monotonic() + HOUSEKEEPING_EVERY
                self._keep_house()
            if self._drain():
                pause = FIRST_RETRY
                if self._closing.is_set() and not self._records:
                    break
                self._wake.wait(timeout=max(0.0, next_housekeeping - time.monotonic()))
                self._wake.clear()
                self._hurry.wait(LINGER)
                if not self._closing.is_set():
                    self._hurry.clear()
            else:
                if time.monotonic() >= self._give_up_at:
                    break
                self._complain()
                if self._closing.is_set():
                    time.sleep(FIRST_RETRY)
                else:
                    self._closing.wait(pause)
                pause = min(LAST_RETRY, pause * 2)
        if self.waiting:
            _log.error(
                "The chat log could not write its last %d records; they are lost. %s", self.waiting, self.problem
            )
        self._folder.close()

    def _drain(self) -> bool:
        """Write all queued records. Return False on failure; the remaining ones stay queued."""
        try:
            while self._records or self._lines:
                callback = self._take()
                count = len(self._lines)
                try:
                    self._folder.append(self._lines)
                finally:
                    self.written += count - len(self._lines)
                self._recovered()
                if callback is not None:
                    callback()
        except Exception as error:  # noqa: BLE001  whatever it is, this thread must live on and try again
            self.failures += 1
            reason = error.strerror if isinstance(error, OSError) and error.strerror else repr(error)
            self.problem = f"Cannot write to {self._folder.directory}: {reason}"
            return False
        return True

    def _recovered(self) -> None:
        if self.problem:
            _log.warning("The chat log is writable again; %d records were dropped in between.", self.dropped)
            self.problem, self._complained_at = "", float("-inf")

    def _take(self) -> Callable[[], None] | None:
        """Encode some records, up to the first callback. Return the callback, to run once they are written."""
        while self._records and len(self._lines) < BATCH:
            item = self._records.popleft()
            if not isinstance(item, orbit.ChatRecord):
                return item
            try:
                self._lines.append(self._encode(item))
            except Exception:  # noqa: BLE001  one odd record must not stop the log of all others
                self.dropped += 1
                _log.exception("The chat log could not encode a record (request %s)", item.request_id)
        return None

    def _keep_house(self) -> None:
        try:
            self._housekeeping()
        except OSError as error:
            _log.warning("The chat log could not delete old files: %s", error)

    def _complain(self) -> None:
        now = time.monotonic()
        if now - self._complained_at >= COMPLAIN_EVERY:
            self._complained_at = now
            _log.error(
                "%s. %d records are waiting in memory, %d were dropped.", self.problem, self.waiting, self.dropped
            )
