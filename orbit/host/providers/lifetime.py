"""A provider from ``__aenter__`` to ``__aexit__``, both in one task."""

from __future__ import annotations

import asyncio

from orbit.provider import Provider


class Lifetime:
    """Enters and leaves one provider in a task of its own.

    A reload replaces providers in any order, long after the start. Libraries on anyio refuse to close what another
    task has opened, or what was not opened last.
    """

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self._leaving = asyncio.Event()
        self._entered: asyncio.Future[None]
        self._task: asyncio.Task[None]

    async def enter(self) -> None:
        """Enter the provider. Raises what it raises; nothing is left to leave then."""
        self._entered = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._live(), name=f"provider {self.provider.name}")
        await self._finished({self._task, self._entered})
        if self._task.done():
            self._task.result()

    async def leave(self) -> None:
        """Leave the provider. Raises what it raises."""
        self._leaving.set()
        await self._finished({self._task})
        self._task.result()

    async def _finished(self, either: set[asyncio.Future[None]]) -> None:
        """Wait for one of the two; whoever cancels the waiting cancels the provider's own step."""
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._task.cancel()
            await asyncio.wait({self._task})
            if not self._task.cancelled():
                self._task.exception()  # retrieved: the caller's cancellation matters, not what it led to
            raise

    async def _live(self) -> None:
        await self.provider.__aenter__()
        self._entered.set_result(None)
        await self._leaving.wait()
        await self.provider.__aexit__(None, None, None)
