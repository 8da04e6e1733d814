"""Sending the answer of a turn, whole or as a stream, in the form that a wire gives it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Protocol

from litestar.types import Receive, Send

from orbit.ticker import Ticker
from orbit.turn import Answer, Event
from orbit.web.client_watch import ClientWatch
from orbit.web.problems import ServerStopping

logger = logging.getLogger("orbit.web")

_STREAM_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),  # or nginx would hold the pieces back
]
_PING = b": ping\n\n"


class Wire(Protocol):
    """How one protocol writes an answer. Frames are whole server-sent events."""

    def whole(self, text: str, answer: Answer) -> bytes:
        """The JSON body of an answer that is not streamed."""
        ...

    def piece(self, text: str) -> bytes:
        """The frame of a new piece of text."""
        ...

    def end(self, answer: Answer) -> bytes:
        """The last frames of an answer."""
        ...

    def failure(self, error: BaseException) -> bytes:
        """The last frames of an answer that failed after its first byte."""
        ...


async def send_whole(
    events: AsyncGenerator[Event, None],
    wire: Wire,
    headers: list[tuple[bytes, bytes]],
    receive: Receive,
    send: Send,
    ticker: Ticker,
) -> bool:
    """Send an answer as one JSON body; False if the client has gone. Raises what the turn raises, before it sends."""
    text: list[str] = []
    answer = Answer()
    with ClientWatch(receive, ticker) as watch:
        try:
            async for event in events:
                if isinstance(event, str):
                    text.append(event)
                else:
                    answer = event
        finally:
            await events.aclose()
        body = wire.whole("".join(text), answer)
        all_headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            *headers,
        ]
        await send({"type": "http.response.start", "status": 200, "headers": all_headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})
    return not watch.gone


async def send_stream(
    events: AsyncGenerator[Event, None],
    wire: Wire,
    headers: list[tuple[bytes, bytes]],
    receive: Receive,
    send: Send,
    ticker: Ticker,
    ping_seconds: float,
) -> bool:
    """Send an answer as server-sent events; False if the client has gone.

    The headers leave with the first piece, so that an earlier failure is raised and becomes a real error status.
    If nothing comes for ``ping_seconds``, they leave with a ping; from then on a failure is an error frame.
    """
    stream = _EventStream(headers, send, ticker, ping_seconds)
    now = asyncio.get_running_loop().time
    ended = False
    with ClientWatch(receive, ticker) as watch:
        try:
            async for event in events:
                if isinstance(event, str):
                    frame = wire.piece(event)
                else:
                    frame, ended = wire.end(event), True
                    stream.close()
                if not stream.started:
                    await stream.start()
                stream.sent_at = now()
                await send({"type": "http.response.body", "body": frame, "more_body": not ended})
        except asyncio.CancelledError:
            if watch.gone or not stream.started:
                raise
            if not ended:
                await stream.last(wire.failure(ServerStopping()))
        except Exception as error:
            if not stream.started:
                raise
            if not ended:
                await stream.last(wire.failure(error))
        finally:
            stream.close()
            await events.aclose()
    return not watch.gone


class _EventStream:
    """The state of one streamed response, and its pings while there is silence since ``sent_at`` (loop time)."""

    def __init__(self, headers: list[tuple[bytes, bytes]], send: Send, ticker: Ticker, ping_seconds: float) -> None:
        self.started = False
        self._headers = headers
        self._send = send
        self._seconds = ping_seconds
        self._now = asyncio.get_running_loop().time
        self.sent_at = self._now()
        self._ticker = ticker
        ticker.add(self)
        self._ping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self.started = True
        headers = [*_STREAM_HEADERS, *self._headers]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def last(self, frame: bytes) -> None:
        self.close()
        await self._send({"type": "http.response.body", "body": frame, "more_body": False})

    def close(self) -> None:
        self._ticker.discard(self)
        if self._ping is not None:
            self._ping.cancel()

    def look(self, now: float) -> None:
        """Ping if it is time; called by the ticker."""
        if now >= self.sent_at + self._seconds:
            self.sent_at = now
            self._ping = asyncio.create_task(self._send_ping())

    async def _send_ping(self) -> None:
        if not self.started:
            await self.start()
        await self._send({"type": "http.response.body", "body": _PING, "more_body": True})
