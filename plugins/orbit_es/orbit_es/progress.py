"""The follower's progress: the counters in ``state.json``, and the position where the next follower continues."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Mapping

import msgspec

from orbit.chatlog import FollowerFolder, FollowerLock, FollowerState
from orbit_es.refusals import Refusals
from orbit_es.spool import Spool

_log = logging.getLogger(__name__)

SAVE_EVERY = 5.0


class Progress:
    """The state of the follower in ``folder``, whose lock it holds. Other threads may read ``state``."""

    def __init__(
        self, folder: FollowerFolder, lock: FollowerLock, spool: Spool, refusals: Refusals, before: FollowerState
    ) -> None:
        """Continue from the state ``before``. Save nothing yet."""
        self.folder = folder
        self.spool = spool
        self.refusals = refusals
        self.state = before
        self._lock = lock
        self._saved_at = 0.0
        self._complained = False

    @property
    def held(self) -> bool:
        """Return whether the lock is still held: someone may have deleted the whole folder."""
        return self._lock.is_there()

    def set_status(self, status: str, detail: str = "") -> None:
        """Set whether Elasticsearch accepts records: ``enabled``, or ``unavailable`` with a reason."""
        self.state = msgspec.structs.replace(self.state, status=status, detail=detail)

    def count(self, outcomes: Mapping[str, int]) -> None:
        """Count outcomes: how many records were ``stored``, ``duplicate`` or ``rejected``."""
        self.state = msgspec.structs.replace(
            self.state,
            sent=self.state.sent + outcomes["stored"],
            duplicates=self.state.duplicates + outcomes["duplicate"],
            rejected=self.state.rejected + outcomes["rejected"],
        )

    def look(self) -> None:
        """Find new lines and save how many are waiting."""
        with contextlib.suppress(OSError):
            self.spool.look()
        self.save()

    def save_now_and_then(self) -> None:
        """Save as a heartbeat, but not too often."""
        if time.monotonic() - self._saved_at >= SAVE_EVERY:
            self.save()

    def save(self) -> None:
        """Update and write the counters. Log the first failure only."""
        oldest = self.spool.oldest()
        self.state = msgspec.structs.replace(
            self.state,
            updated=time.time(),
            positions=self.spool.positions(),
            lag_records=self.spool.pending,
            lag_seconds=max(0.0, time.time() - oldest) if oldest is not None else 0.0,
            lost_bytes=self.spool.lost_bytes,
        )
        with contextlib.suppress(OSError):  # the number stays as it was
            self.state = msgspec.structs.replace(self.state, dead_letters=self.refusals.count())
        self._saved_at = time.monotonic()
        try:
            if self.held:
                self.folder.write_state(self.state)
        except OSError as error:
            if not self._complained:
                self._complained = True
                _log.warning("The position in the chat log cannot be saved: %s", error.strerror)
        else:
            self._complained = False
