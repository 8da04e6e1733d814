"""Sends the answer of a turn, whole or as a stream, in the form of its protocol."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import ClassVar, Protocol

import msgspec
from litestar.types import Receive, Send

from orbit.chat.answer.parts import AnswerPart, AnswerParts
from orbit.chat.batch import BatchEvent, OfBatch
from orbit.chat.models.needs import Unsupported
from orbit.chat.outcome import Answered, Ending, Event, Found, ToolStep
from orbit.chat.ticker import Ticker
from orbit.errors import ProviderError
from orbit.types import Source, Thought
from orbit.web.http.problems import ServerStopping
from orbit.web.wires.client_watch import ClientWatch

logger = logging.getLogger("orbit.web")

_STREAM_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),  # keeps nginx from buffering the pieces
]
COMMENT = b": ping\n\n"
"""A comment of server-sent events, as a ping in protocols that have none of their own."""
_GOODBYE_SECONDS = 1.0
"""Seconds for sending the last frame once the server stops."""


class Sent(msgspec.Struct, frozen=True):
    """The fate of an answer: whether the client was still connected, and the error sent as the last frame."""

    arrived: bool
    error: BaseException | None = None


class Wire(Protocol):
    """The form of answers in one protocol. Frames are complete server-sent events.

    ``ping`` is the frame that shows, while nothing else comes, that the server is alive.
    """

    ping: ClassVar[bytes] = COMMENT
    numbered: bool = False
    """Whether the client finds the source of a citation [n] by counting the sources, as Open WebUI does."""
    sent_as: Callable[[str], str] = staticmethod(str)
    """Returns the field in which the client sent an option of the plugin API."""

    def whole(self, parts: Sequence[AnswerPart], ending: Ending) -> bytes:
        """Return the JSON body of a whole answer."""
        ...

    def piece(self, text: str) -> bytes:
        """Return the frame of a new piece of text."""
        ...

    def thought(self, thought: Thought) -> bytes:
        """Return the frame of new thoughts; only turns that want them have any."""
        ...

    def found(self, sources: tuple[Source, ...]) -> bytes:
        """Return the frame of the passages that the model reads; only turns that want it early have one."""
        del sources
        return b""

    def step(self, step: ToolStep) -> bytes:
        """Return the frame that says what the server does with a tool, never as text; empty if there is no such."""
        del step
        return b""

    def of_batch(self, part: OfBatch) -> bytes:
        """Return the frames of an event of one answer of several; only the wire of a batch has any."""
        del part
        return b""

    def end(self, ending: Ending) -> bytes:
        """Return the last frames of an answer."""
        ...

    def failure(self, error: BaseException) -> bytes:
        """Return the last frames of an answer that failed after its first byte."""
        ...


def name_option(error: BaseException, sent_as: Callable[[str], str]) -> None:
    """Give the option at fault, if an error has one, the name of the field in which the client sent it.

    A sentence for the client may have the option in quotation marks.
    """
    if isinstance(error, ProviderError | Unsupported) and error.option:
        field = sent_as(error.option)
        error.client = error.client.replace(f"'{error.option}'", f"'{field}'")
        error.option = field


async def send_whole(
    events: AsyncGenerator[Event | BatchEvent, None],
    wire: Wire,
    receive: Receive,
    send: Send,
    ticker: Ticker,
) -> Sent:
    """Send an answer as one JSON body. Raises the turn's errors before it sends anything."""
    parts = AnswerParts()
    ending: Ending = Answered()
    with ClientWatch(receive, ticker) as watch:
        try:
            async for event in events:
                if isinstance(event, OfBatch):
                    continue  # the ending of a batch has all of them
                parts.add(event)
                if isinstance(event, Ending):
                    ending = event
        finally:
            await events.aclose()
        body = wire.whole(parts.all(), ending)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})
    return Sent(not watch.gone)


async def send_stream(
    events: AsyncGenerator[Event | BatchEvent, None],
    wire: Wire,
    receive: Receive,
    send: Send,
    send_frame: Send,
    ticker: Ticker,
    ping_seconds: float,
) -> Sent:
    """Send an answer as server-sent events: the headers through ``send``, the frames through ``send_frame``.

    The headers leave with the first piece, so an earlier failure can still become an error status. If nothing comes for
    ``ping_seconds``, they leave with a ping; from then on, a failure becomes an error frame.
    """
    stream = _EventStream(send, send_frame, ticker, ping_seconds, wire.ping)
    failure: BaseException | None = None
    with ClientWatch(receive, ticker) as watch:
        try:
            try:
                async for event in events:
                    if isinstance(event, str):
                        await stream.send(wire.piece(event))
                    elif not isinstance(event, Ending):
                        await _send_beside(stream, wire, event)
                    else:
                        if event.text:
                            await stream.send(wire.piece(event.text))
                        await stream.send(wire.end(event), last=True)
            finally:
                await events.aclose()  # frees the turn's place before the last frame leaves
        except asyncio.CancelledError:
            if watch.gone or not stream.started:
                raise
            stream.close()
            with suppress(TimeoutError, asyncio.CancelledError):  # a client that does not read must not delay the stop
                async with asyncio.timeout(_GOODBYE_SECONDS):
                    await stream.fail(wire, ServerStopping())
        except Exception as error:
            await stream.settle()
            if not stream.started:
                raise
            failure = error
        finally:
            stream.close()
        if failure is not None:
            name_option(failure, wire.sent_as)
            await stream.fail(wire, failure)
    return Sent(not watch.gone, failure)


async def _send_beside(stream: _EventStream, wire: Wire, event: Thought | Found | ToolStep | OfBatch) -> None:
    """Send the frame of what is no part of the answer's text, if the protocol has one."""
    if isinstance(event, Thought):
        frame = wire.thought(event)
    elif isinstance(event, OfBatch):
        frame = wire.of_batch(event)
    else:
        frame = wire.found(event.sources) if isinstance(event, Found) else wire.step(event)
    if frame:
        await stream.send(frame)


class _EventStream:
    """One streamed response, with pings while nothing else is sent. It sends one frame at a time."""

    def __init__(self, send: Send, send_frame: Send, ticker: Ticker, ping_seconds: float, ping: bytes) -> None:
        self.started = False
        self.ended = False
        self._send = send
        self._send_frame = send_frame
        self._seconds = ping_seconds
        self._frame = ping
        self._sent = 0  # the number of frames, and what look() knows of it: a frame reads no clock
        self._seen = 0
        self._since = time.monotonic()
        self._ticker = ticker
        ticker.add(self)
        self._ping: asyncio.Task[None] | None = None

    def send(self, frame: bytes, *, last: bool = False) -> Awaitable[None]:
        """Send a frame, after the headers if it is the first."""
        self._sent += 1
        if self.started and self._ping is None:
            self.ended = last
            return self._send_frame({"type": "http.response.body", "body": frame, "more_body": not last})
        return self._send_behind(frame, last=last)

    async def _send_behind(self, frame: bytes, *, last: bool) -> None:
        """Send a frame after what must precede it: a ping in flight, the headers."""
        await self.settle()
        self.ended = last
        if not self.started:
            await self._start()
        await self._send_frame({"type": "http.response.body", "body": frame, "more_body": not last})

    async def fail(self, wire: Wire, error: BaseException) -> None:
        """Send an error as the last frame, unless the last frame has left."""
        if not self.ended:
            await self.send(wire.failure(error), last=True)

    async def settle(self) -> None:
        """Wait until a ping in flight has left."""
        if self._ping is not None:
            await asyncio.wait([self._ping])
            self._ping = None

    def close(self) -> None:
        """Send no more pings."""
        self._ticker.discard(self)
        if self._ping is not None and self.started:
            self._ping.cancel()

    def look(self, now: float) -> None:
        """Send a ping if one is due; the ticker calls it."""
        if self._seen != self._sent:
            self._seen, self._since = self._sent, now
        if now >= self._since + self._seconds and not self.ended:
            self._since = now
            if self._ping is None or self._ping.done():
                self._ping = asyncio.create_task(self._send_ping())

    async def _start(self) -> None:
        self.started = True
        await self._send({"type": "http.response.start", "status": 200, "headers": _STREAM_HEADERS})

    async def _send_ping(self) -> None:
        if not self.started:
            await self._start()
        await self._send_frame({"type": "http.response.body", "body": self._frame, "more_body": True})
