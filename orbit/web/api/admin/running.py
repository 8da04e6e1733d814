"""Work that streams its progress: one JSON object a line, the result last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import Any, Generic, TypeVar

import msgspec
from litestar.response import Stream

from orbit.web.http.problems import ProblemDetails, operators_problem_of

MEDIA_TYPE = "application/x-ndjson"

P = TypeVar("P")
R = TypeVar("R")


class Told(msgspec.Struct, frozen=True, tag_field="event"):
    """A line of the response."""


class ToldError(Told, frozen=True, tag="error"):
    """The last line if the run failed after the response had begun."""

    problem: ProblemDetails


class Running(Generic[P, R]):
    """A piece of work and its latest progress, ``first`` until there is any.

    ``work`` gets a function that takes progress. ``tell`` turns progress into a line, and ``end`` the result. The line
    is repeated after each ``silence`` in seconds.
    """

    def __init__(
        self,
        work: Callable[[Callable[[P], None]], Awaitable[R]],
        first: P,
        tell: Callable[[P], Told],
        end: Callable[[R], Told],
        silence: float,
        request_id: str,
    ) -> None:
        self._progress = first
        self._tell = tell
        self._end = end
        self._silence = silence
        self._request_id = request_id
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._run(work), name=f"request {request_id}")
        self._task.add_done_callback(lambda _: self._news.set())

    async def begun(self) -> None:
        """Wait for the first progress. Raises an error that comes before it, which can still set the status."""
        await self._wait()
        if self._task.done():
            self._task.result()

    async def told(self) -> AsyncIterator[Told]:
        """Yield progress until the work ends, and repeat it while nothing happens."""
        while not self._task.done():
            self._news.clear()
            yield self._tell(self._progress)
            await self._wait()
        try:
            result = self._task.result()
        except Exception as error:  # noqa: BLE001  # the answer has begun: it can only say so
            yield ToldError(operators_problem_of(error, self._request_id))
        else:
            yield self._end(result)

    async def stop(self) -> None:
        """Cancel the work."""
        self._task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await self._task

    async def _run(self, work: Callable[[Callable[[P], None]], Awaitable[R]]) -> R:
        return await work(self._note)

    def _note(self, progress: P) -> None:
        self._progress = progress
        self._news.set()

    async def _wait(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), self._silence)


async def streamed(run: Running[Any, Any], stack: AsyncExitStack) -> Stream:
    """Return the response of a run; it stops the run when the client leaves, and closes ``stack`` at its end.

    Raises an error that comes before the first progress.
    """
    stack.push_async_callback(run.stop)
    await run.begun()
    return Stream(_lines(run, stack.pop_all()), media_type=MEDIA_TYPE)


async def _lines(run: Running[Any, Any], resources: AsyncExitStack) -> AsyncGenerator[bytes, None]:
    async with resources:
        async for told in run.told():
            yield msgspec.json.encode(told) + b"\n"
