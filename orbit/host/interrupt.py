"""Cancelling a task for a reason of one's own, and taking the cancellation back."""

from __future__ import annotations

import asyncio


class Interrupt:
    """Cancels the task that made it, for example when a client leaves.

    It does by other triggers what ``asyncio.timeout`` does by time: a cancellation that came from here alone ends here,
    and every other one passes through.
    """

    __slots__ = ("_before", "pending", "task")

    def __init__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.task = task
        self._before = task.cancelling()
        self.pending = False

    def cancel(self) -> None:
        """Cancel the task, once until it is taken back."""
        if not self.pending:
            self.pending = True
            self.task.cancel()

    def take_back(self) -> bool:
        """Return whether the task was cancelled from here, and from nowhere else."""
        if not self.pending:
            return False
        self.pending = False
        return self.task.uncancel() <= self._before

    def forget_leaked(self, error: BaseException) -> None:
        """Take back what a failed task group leaves: before Python 3.13 it counts its task as cancelled for good.

        Without it, no ``asyncio.timeout`` around would work.
        """
        if isinstance(error, BaseExceptionGroup):
            while self.task.cancelling() > self._before:
                self.task.uncancel()

    def wanted_by_others(self) -> bool:
        """Whether somebody else has cancelled the task. Without it, a CancelledError is a plugin's own failure."""
        return self.task.cancelling() > self._before


class Deadline(Interrupt):
    """Cancels its task after some seconds: ``asyncio.timeout`` at a third of its cost, for what each hook pays."""

    __slots__ = ("_timer",)

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._timer = asyncio.get_running_loop().call_later(seconds, self.cancel)

    def end(self) -> None:
        """Stop counting, and take back what no longer matters."""
        self._timer.cancel()
        if self.pending:
            self.take_back()
