"""Asks components for their health, whatever a plugin's ``health`` does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from orbit.types import Health


class HealthQuestions:
    """Asks each component within a deadline. A check that fails or hangs means that the component is down."""

    def __init__(self, seconds: float) -> None:
        """``seconds`` is the deadline of one check."""
        self._seconds = seconds
        self._asking: dict[str, asyncio.Task[Health]] = {}

    async def ask(self, name: str, health: Callable[[], Awaitable[Health]]) -> Health:
        """Return the health of a component. A check that still hangs from last time is not repeated."""
        task = self._asking.pop(name, None)
        if task is not None and task.done():
            # It ended after its deadline; its result is out of date.
            if not task.cancelled():
                task.exception()
            task = None
        if task is None:
            task = asyncio.create_task(_answer(health), name=f"health of {name}")
        await asyncio.wait([task], timeout=self._seconds)
        if not task.done():
            task.cancel()
            self._asking[name] = task
            return Health("down", f"no answer within {self._seconds:g} s")
        if task.cancelled():
            return Health("down", "asking for its health was cancelled")
        if (error := task.exception()) is not None:
            return Health("down", f"{type(error).__name__} while asking for its health")
        found: object = task.result()
        return found if isinstance(found, Health) else Health("down", "health() returned no orbit.Health")


async def _answer(health: Callable[[], Awaitable[Health]]) -> Health:
    return await health()
