"""Stopping the work for a client that has gone away."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from litestar.types import Receive

from orbit.web.problems import ServerStopping


class ClientWatch:
    """While entered, cancels the current task when the client closes its connection; then it exits quietly.

    Enter it after the request's body has been read. A cancellation from elsewhere means that the server's time to drain
    is over: it leaves as ServerStopping.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.gone = False

    async def __aenter__(self) -> Self:
        self._task = asyncio.current_task()
        self._watcher = asyncio.create_task(self._watch())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        self._watcher.cancel()
        if not isinstance(error, asyncio.CancelledError):
            return False
        if not self.gone:
            raise ServerStopping from error
        return self._task is not None and self._task.uncancel() == 0

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        if self._task is not None:
            self._task.cancel()
