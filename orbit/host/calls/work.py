"""Extends the deadline of a store's long call whenever the call makes progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from orbit.host.calls.interrupt import Deadline


class Work:
    """One such call. ``deadline`` is set once it runs; ``told`` hears how many passages are finished."""

    def __init__(self, seconds: float, told: Callable[[int], None] | None) -> None:
        self.deadline: Deadline | None = None
        self._seconds = seconds
        self._told = told
        self._waiting = 0

    def report(self, passages: int) -> None:
        """Start the deadline again, and pass on the number of passages finished since the last report."""
        self._restart(0.0)
        if self._told is not None and passages:
            self._told(passages)

    @contextmanager
    def waiting(self, seconds: float) -> Iterator[None]:
        """Allow another call, which has its own deadline in ``seconds``, to use up its time."""
        self._waiting += 1
        self._restart(seconds)
        try:
            yield
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._restart(0.0)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Make this the current work of all that runs inside."""
        token = _WORK.set(self)
        try:
            yield
        finally:
            _WORK.reset(token)

    def _restart(self, more: float) -> None:
        if self.deadline is not None and (more or not self._waiting):
            self.deadline.restart(self._seconds + more)


_WORK: ContextVar[Work | None] = ContextVar("orbit_work", default=None)


def current_work() -> Work | None:
    """Return the work that this code runs in."""
    return _WORK.get()
