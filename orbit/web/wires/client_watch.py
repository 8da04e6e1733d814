"""Cancels the work for a client that has disconnected."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from litestar.types import Receive

from orbit.chat.ticker import Ticker
from orbit.host.calls.interrupt import Interrupt
from orbit.web.http.problems import ServerStopping


class ClientWatch:
    """Cancels the current task when the client disconnects while entered, and absorbs that cancellation.

    Enter it after reading the body. A cancellation from elsewhere means that the time to drain is over, and becomes
    ServerStopping. The watch begins with the ticker's next look, so a quick answer does not pay for it.
    """

    def __init__(self, receive: Receive, ticker: Ticker) -> None:
        self._receive = receive
        self._ticker = ticker
        self._watcher: asyncio.Task[None] | None = None
        self._interrupt = Interrupt(ticker.current_task())
        self.gone = False

    def __enter__(self) -> Self:
        self._ticker.add(self)
        return self

    def look(self, now: float) -> None:  # noqa: ARG002  # the ticker's signature
        """Start the watch; the ticker calls it."""
        self._ticker.discard(self)
        self._watcher = asyncio.create_task(self._watch())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        self._ticker.discard(self)
        if self._watcher is not None:
            self._watcher.cancel()
        if self._interrupt.take_back():
            return isinstance(error, asyncio.CancelledError)
        if isinstance(error, asyncio.CancelledError) and not self.gone:
            raise ServerStopping from error
        return False

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        self._interrupt.cancel()
