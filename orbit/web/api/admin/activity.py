"""``/admin/chats`` and ``/admin/live``: recent chats and live metrics."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import msgspec
from litestar import get
from litestar.params import QueryParameter

from orbit.chatlog import Naming
from orbit.chatlog.recent import ChatPage, RecentChats
from orbit.chatlog.searching import Filter
from orbit.observing.metrics import BOUNDS
from orbit.observing.metrics_history import SECONDS, History, Sample, sample_of
from orbit.web.api.health import HealthCheck, HealthReport
from orbit.web.api.metrics import Exchange
from orbit.web.http.problems import RequestError

logger = logging.getLogger("orbit.admin")

Limit = Annotated[int, QueryParameter(ge=1, le=200, description="Chats in a page.")]
Before = Annotated[str, QueryParameter(description="Where the page before ended.", max_length=300)]
Text = Annotated[str, QueryParameter(description="Anywhere in query, response or reason, or the request id.")]
Key = Annotated[str, QueryParameter(description="Id, hint or client name of an API key.")]
Failed = Annotated[bool | None, QueryParameter(description="Only turns that ended with an error, or only others.")]
Blocked = Annotated[bool | None, QueryParameter(description="Only turns that moderation refused, or only others.")]
Since = Annotated[float, QueryParameter(description="The time of the last sample that is known, in Unix seconds.")]


class Live(msgspec.Struct, frozen=True):
    """The server's health and load, now and over the last hour.

    ``samples`` run from the oldest to one taken for this response. ``bounds`` are the upper bounds of their histogram
    buckets, in seconds; one more bucket holds everything longer.
    """

    health: HealthReport
    in_flight: int
    queued: int
    samples: list[Sample]
    bounds: tuple[float, ...] = BOUNDS


@asynccontextmanager
async def kept_history(exchange: Exchange) -> AsyncGenerator[History, None]:
    """Collect samples while entered.

    With several workers, each saves the history in a file. Otherwise the replacement of a dead worker would know
    nothing of the time before its own start.
    """
    file = exchange.folder / "history" if exchange.folder is not None else None
    history = History(await asyncio.to_thread(_read, file) if file is not None else ())

    async def grow() -> None:
        failing = False
        while True:
            try:
                history.add(sample_of(await exchange.all(), time.time()))
                if file is not None:
                    await asyncio.to_thread(_write, file, history.since(0.0))
                failing = False
            except OSError as error:
                if not failing:
                    logger.warning("the counts of the last hour cannot be written for other workers: %s", error)
                failing = True
            except Exception:  # no failure may end the history
                logger.exception("the counts of the workers cannot be read")
            await asyncio.sleep(SECONDS)

    task = asyncio.create_task(grow(), name="keep the history of counts")
    try:
        yield history
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _read(file: Path) -> list[Sample]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=list[Sample])
    except FileNotFoundError:
        return []
    except (OSError, msgspec.DecodeError) as error:
        logger.warning("the counts of the last hour cannot be read: %s", error)
        return []


def _write(file: Path, samples: list[Sample]) -> None:
    new = file.with_name(f".history-{os.getpid()}")
    new.write_bytes(msgspec.json.encode(samples))
    new.replace(file)


def live_route(exchange: Exchange, history: History, check: HealthCheck) -> Any:
    """Return the route that the operator's page polls."""

    @get("/live", summary="Health, and the counts of the last hour")
    async def live(since: Since = 0.0) -> Live:
        counts = await exchange.all()
        now = sample_of(counts, time.time())
        return Live(await check.report(), counts.in_flight, counts.queued, [*history.since(since), now])

    return live


def chats_route(log: Path | None) -> Any:
    """Return the route of recent chats. It searches the log for one page at a time; other requests wait."""
    recent = RecentChats(log.parent, Naming(log.name)) if log is not None else None
    one_at_a_time = asyncio.Lock()

    @get("/chats", summary="The last chats of the chat log, newest first, and only what it holds of them")
    async def chats(
        limit: Limit = 50,
        before: Before = "",
        text: Text = "",
        key: Key = "",
        failed: Failed = None,
        blocked: Blocked = None,
    ) -> ChatPage:
        if recent is None:
            return ChatPage([], kept=False)
        wanted = Filter(key=key, text=text, failed=failed, blocked=blocked)
        async with one_at_a_time:
            try:
                return await asyncio.to_thread(recent.page, wanted, before, limit)
            except OSError as error:
                raise RequestError(503, "log_unreadable", f"the chat log cannot be read: {error.strerror}.") from error

    return chats
