"""Stopping the work for a client that has gone away."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from litestar.types import Receive


class ClientWatch:
    """While entered, cancels the current task when the client closes its connection; then it exits quietly.

    Enter it after the request's body has been read. A cancellation from elsewhere (the server stops) passes through.
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
        return (
            self.gone
            and isinstance(error, asyncio.CancelledError)
            and self._task is not None
            and self._task.uncancel() == 0
        )

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        if self._task is not None:
            self._task.cancel()
