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
        """See ``forget_leaked``."""
        forget_leaked(self.task, self._before, error)

    def wanted_by_others(self) -> bool:
        """Whether somebody else has cancelled the task. Without it, a CancelledError is a plugin's own failure."""
        return self.task.cancelling() > self._before


def forget_leaked(task: asyncio.Task[object], before: int, error: BaseException) -> None:
    """Take back what a failed task group leaves behind: before Python 3.13 it counts its task as cancelled for good.

    ``before`` is ``task.cancelling()`` from before the group. Without it, no ``asyncio.timeout`` around would work.
    """
    if isinstance(error, BaseExceptionGroup):
        while task.cancelling() > before:
            task.uncancel()
