"""One task for the requests of a connection, which come one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import Context, copy_context
from typing import Any, TypeAlias

from orbit.host.host_proxy import lend
from orbit.observing.server_log import request_id

Request: TypeAlias = Coroutine[Any, Any, None]


class ConnectionTask:
    """Runs each request in the task of the one before it: asyncio enters each new task in a set, which is Python.

    A request gets a task of its own if the one before still runs, as a response's background work does. So it does if
    that one has left a cancellation or a context variable behind, which nobody else may find.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, running: set[asyncio.Task[None]]) -> None:
        """Take the set of the tasks that serve a request now."""
        self._loop = loop
        self._running = running
        self._closed = False
        self._idle: asyncio.Future[Request | None] | None = None
        """What an idle task waits for."""
        self._task: asyncio.Task[None]
        """The idle task."""

    def run(self, request: Request) -> None:
        """Begin to serve a request in this connection's task, or in a new one."""
        idle = self._idle
        if idle is None or idle.done():
            self._running.add(self._loop.create_task(self._serve(request)))
        else:
            self._idle = None
            self._running.add(self._task)
            idle.set_result(request)

    def close(self) -> None:
        """End the task once it has served its request."""
        self._closed = True
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    async def _serve(self, request: Request | None) -> None:
        task = asyncio.current_task(self._loop)
        assert task is not None
        clean = _clean()
        while request is not None:
            try:
                await request
            finally:
                self._running.discard(task)
            if self._closed or self._idle is not None or task.cancelling() or _clean() != clean:
                return
            self._task, self._idle = task, self._loop.create_future()
            request = await self._idle


def _clean() -> Context:
    """Clear what the host sets for each request, and return all context variables."""
    request_id.set("")
    lend(None)
    return copy_context()
