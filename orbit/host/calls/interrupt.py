"""Cancels tasks for the host's own reasons, and tells those cancellations from others."""

from __future__ import annotations

import asyncio
from typing import Any


class Interrupt:
    """Cancels a task, by default the one that creates it, for example when a client disconnects.

    It works like ``asyncio.timeout``, with triggers other than time. It absorbs a cancellation of its own, and lets
    every other one pass.
    """

    __slots__ = ("_before", "pending", "task")

    def __init__(self, task: asyncio.Task[Any] | None = None) -> None:
        task = task or asyncio.current_task()
        assert task is not None
        self.task = task
        self._before = task.cancelling()
        self.pending = False

    def cancel(self) -> None:
        """Cancel the task. Further calls do nothing until ``take_back``."""
        if not self.pending:
            self.pending = True
            self.task.cancel()

    def take_back(self) -> bool:
        """Undo the cancellation. Returns whether it was the only one."""
        if not self.pending:
            return False
        self.pending = False
        return self.task.uncancel() <= self._before

    def forget_leaked(self, error: BaseException) -> None:
        """Undo the cancellation that a failed task group leaks: before Python 3.13, its task stays marked as cancelled.

        Otherwise no enclosing ``asyncio.timeout`` would work.
        """
        if isinstance(error, BaseExceptionGroup):
            while self.task.cancelling() > self._before:
                self.task.uncancel()

    def wanted_by_others(self) -> bool:
        """Whether another part has cancelled the task. If none has, a CancelledError is the plugin's own failure."""
        return self.task.cancelling() > self._before


class Deadline(Interrupt):
    """Cancels its task after some seconds, at a third of the cost of ``asyncio.timeout``: every hook call needs one."""

    __slots__ = ("_timer",)

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._timer = asyncio.get_running_loop().call_later(seconds, self.cancel)

    def restart(self, seconds: float) -> None:
        """Start the time again, unless it is over."""
        if not self.pending and not self._timer.cancelled():
            self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_later(seconds, self.cancel)

    def end(self) -> None:
        """Stop the timer, and undo a cancellation that came too late to matter."""
        self._timer.cancel()
        if self.pending:
            self.take_back()
