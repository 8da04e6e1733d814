"""uvicorn's HTTP/1.1 protocol, with limits on request targets and headers that uvicorn itself does not have."""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import httptools
import msgspec
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from orbit.serving.corked import CorkedTransport, turn_end
from orbit.serving.exchange import Exchange
from orbit.web.http.problems import ProblemDetails

MAX_URL = 8192
"""Longest request target, in bytes. A longer one gets 414."""
MAX_HEAD = 32_768
"""Most bytes of header fields, and of trailers. More get 431."""

_MOST_PENDING = MAX_URL + MAX_HEAD + 64
"""Most bytes that bring a request no further: a head, with the rest of its request line."""
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
_LINGER_SECONDS = 2.0
_LINGER_BYTES = 64 * 1024 * 1024

logger = logging.getLogger("orbit.web")


class _Refused(Exception):
    """The request exceeds a limit; the parser must stop."""


class LimitedProtocol(HttpToolsProtocol):
    """Refuses long request targets, large headers and anything but HTTP, and closes the connection.

    The parser keeps a header field until it is complete, so the protocol counts bytes that bring no request further.
    A sender can exceed the limits by one read (256 kB) at most.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.refused = False
        """Whether the connection only waits to be closed."""
        self.resumed = 0
        """How often the client has read on after the server had to wait for it."""
        self.url = b""
        self.idle_since: float | None = None
        """When the last response ended, in the loop's time; None before it, and once more has come."""
        self._idle_timer: asyncio.TimerHandle | None = None
        self._problem: tuple[HTTPStatus, str, str] | None = None
        self._moved = False
        self._pending = 0
        self._most = 0  # bytes that a head can have: those of the reads that may hold a part of it
        self._discarded = 0

    @override
    def connection_made(self, transport: Any) -> None:
        super().connection_made(CorkedTransport(transport, turn_end(self.loop)))  # type: ignore[arg-type]  # it forwards the rest

    @override
    def data_received(self, data: bytes) -> None:
        if self.refused:
            self._discard(data)
            return
        self.idle_since = None
        self._pending += len(data)
        self._most += len(data)
        self._moved = False
        try:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                self._stay(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._refuse(*(self._problem or (HTTPStatus.BAD_REQUEST, "bad_request", "this is no valid HTTP request.")))
            return
        if self._moved:
            self._pending = 0
            self._most = len(data)
        if len(self.url) > MAX_URL:
            self._refuse(*_URL_TOO_LONG)
        elif self._pending > _MOST_PENDING:
            self._refuse(*_HEADERS_TOO_LARGE)

    def _stay(self, rest: bytes) -> None:
        """Answer an upgrade request in HTTP/1.1, as Java's client and ``curl --http2`` expect.

        The parser takes the body for the other protocol, so a new parser reads it.
        """
        self.cycle.keep_alive = False
        framing = [b"%b: %b\r\n" % pair for pair in self.scope["headers"] if pair[0] in _FRAMING]
        if framing:
            self.cycle.more_body = True
            self.parser = httptools.HttpRequestParser(_BodyOnly(self))
            self.parser.feed_data(b"POST / HTTP/1.1\r\n" + b"".join(framing) + b"\r\n" + rest)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.refused = True
        if self._idle_timer is not None:
            self._idle_timer.cancel()

    @override
    def resume_writing(self) -> None:
        self.resumed += 1
        super().resume_writing()

    @override
    def on_headers_complete(self) -> None:
        self._moved = True
        if len(self.url) > MAX_URL:
            self._stop(*_URL_TOO_LONG)
        if self._most > MAX_HEAD // 2:  # a header without a space counts for one byte more than it has
            self._measure()
        scope, parser, target = self.scope, self.parser, httptools.parse_url(self.url)
        path, version = target.path.decode("ascii"), parser.get_http_version()
        scope["http_version"] = version
        scope["method"] = parser.get_method().decode("ascii")
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = target.path
        scope["query_string"] = target.query or b""
        self.headers = []  # for trailers, which come too late to change how the request is read
        former: RequestResponseCycle | None = self.cycle
        self.cycle = Exchange(self, keep_alive=version != "1.0" and parser.should_keep_alive())
        if former is None or former.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    @override
    def on_response_complete(self) -> None:
        """Begin the next request that has come, or wait for one: ``timeout_keep_alive`` seconds.

        All waits of a connection share one timer, which looks how long the last one has been.
        """
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self.idle_since = self.loop.time()
        if self._idle_timer is None:
            self._idle_timer = self.loop.call_later(self.timeout_keep_alive, self._look_whether_idle)

    def _look_whether_idle(self) -> None:
        self._idle_timer = None
        if self.idle_since is None:  # the next response starts the timer again
            return
        left = self.idle_since + self.timeout_keep_alive - self.loop.time()
        if left <= 0:
            self.transport.close()
        else:
            self._idle_timer = self.loop.call_later(left, self._look_whether_idle)

    @override
    def on_body(self, body: bytes) -> None:
        self._moved = True
        super().on_body(body)

    def on_chunk_header(self) -> None:
        """Note that a new chunk of the body begins."""
        self._moved = True

    @override
    def on_message_complete(self) -> None:
        if self.headers:
            self._measure()
        super().on_message_complete()

    def _measure(self) -> None:
        """Refuse header fields, or trailers, that are too large together."""
        if sum(len(name) + len(value) + len(": \r\n") for name, value in self.headers) > MAX_HEAD:
            self._stop(*_HEADERS_TOO_LARGE)

    def _stop(self, status: HTTPStatus, code: str, detail: str) -> None:
        self._problem = (status, code, detail)
        raise _Refused

    def _refuse(self, status: HTTPStatus, code: str, detail: str) -> None:
        """Send a refusal and close, after the responses to whole requests before it, which the refusal then leaves out.

        Closing at once would reset the connection of a client that still sends, which would lose the response.
        """
        self.refused = True
        client = self.client[0] if self.client else "a client"
        logger.info("refused a request of %s with %d: %s", client, status, detail)
        cycle: Any = self.cycle
        if cycle is not None and not cycle.response_complete:
            if not cycle.more_body:
                cycle.keep_alive = False
                return
            if cycle.response_started:
                self.transport.close()
                return
            cycle.disconnected = True  # the application is reading the body
            cycle.message_event.set()
        self.transport.write(response(status, code, detail, self.server_state.default_headers))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_LINGER_SECONDS, self.transport.close)

    def _discard(self, data: bytes) -> None:
        self._discarded += len(data)
        if self._discarded > _LINGER_BYTES:
            self.transport.close()


class _BodyOnly:
    """What a parser calls that reads only the body of a request."""

    def __init__(self, protocol: LimitedProtocol) -> None:
        self.on_header = protocol.on_header  # of trailers
        self.on_body = protocol.on_body
        self.on_chunk_header = protocol.on_chunk_header
        self.on_message_complete = protocol.on_message_complete


_URL_TOO_LONG = (
    HTTPStatus.REQUEST_URI_TOO_LONG,
    "uri_too_long",
    f"the address of the request is longer than {MAX_URL:,} bytes.",
)
_HEADERS_TOO_LARGE = (
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "headers_too_large",
    f"the headers of the request have more than {MAX_HEAD:,} bytes.",
)


def response(status: HTTPStatus, code: str, detail: str, headers: list[tuple[bytes, bytes]]) -> bytes:
    """Return a complete response with a problem document that closes the connection."""
    body = msgspec.json.encode(ProblemDetails(status.phrase, status.value, code, detail))
    more = b"".join(b"%b: %b\r\n" % pair for pair in headers)
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/problem+json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n"
    )
    return head.encode() + more + b"\r\n" + body
