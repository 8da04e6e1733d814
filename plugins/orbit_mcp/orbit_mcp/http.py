"""A transport to a server over streamable HTTP, whose answers are limited. It imports the SDK, which takes a while."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import httpx2
from mcp.client.streamable_http import streamable_http_client

from orbit.sanitize import printable, without_secrets
from orbit.upstreams import Address, system_reason, tls_context
from orbit_mcp.ended import Ended
from orbit_mcp.reply import Reply, current
from orbit_mcp.settings import ServerSettings

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams

_JSON: Final = "application/json"
_EVENTS: Final = "text/event-stream"
_EMPTY: Final = re.compile(rb"\n\n|\r\r|\r\n\r\n")
"""The end of an event."""
_LOST: Final = (401, 404)
"""Refusals that a new connection may mend: the key is not valid any more, or the server has forgotten the session."""
_GRACE: Final = 1.0
"""Seconds after which a call that has timed out is ended, so that its own timeout comes first."""
_REFUSED: Final = (*_LOST, 403)
"""Refusals whatever the body says; with other errors, a JSON body is the server's own answer."""


@asynccontextmanager
async def http_streams(settings: ServerSettings, ended: Ended) -> AsyncGenerator[TransportStreams, None]:
    """Connect to the address of a server, and yield the streams of its messages. ``ended`` learns of a lost one."""
    address = Address.parse(settings.url)
    timeout = httpx2.Timeout(settings.timeout, connect=min(10.0, settings.start_timeout), read=None)
    headers = {**address.headers(), **settings.headers, "Accept-Encoding": "identity"}  # no bodies that grow
    transport = _Transport(settings, ended)
    async with httpx2.AsyncClient(transport=transport, headers=headers, timeout=timeout, trust_env=False) as client:
        url = address.at("")
        async with streamable_http_client(url, http_client=client, max_sse_event_size=settings.max_bytes) as streams:
            yield streams


class _Transport(httpx2.AsyncHTTPTransport):
    """Limits all bodies, and notes what went wrong."""

    def __init__(self, settings: ServerSettings, ended: Ended) -> None:
        super().__init__(verify=tls_context(settings.ca_certs, verify_certs=settings.verify_certs))
        self._limit = settings.max_bytes
        self._ended = ended

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        asks = request.method == "POST"
        reply = current() if asks else Reply()
        if reply.seconds is not None:
            request.extensions = {
                **request.extensions,
                "timeout": {**request.extensions["timeout"], "read": reply.seconds + _GRACE},
            }
        try:
            response = await super().handle_async_request(request)
        except httpx2.ReadTimeout:  # the call has ended before, and the connection goes on
            return httpx2.Response(504, request=request)
        except httpx2.TransportError as error:
            away = isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout)
            reply.fault = f"{'it cannot be reached' if away else 'the connection broke off'} ({_brief(error)})"
            if asks:
                self._ended.end(reply.fault)
            raise
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        reply.fault = _fault(response.status_code, kind)
        reply.lost = response.status_code in _LOST
        response.stream = _Limited(response.stream, self._limit, reply, events=kind == _EVENTS)
        return response


class _Limited(httpx2.AsyncByteStream):
    """A body that fails once it, or an event in it, is too large. A failure costs this answer only."""

    def __init__(self, stream: Any, limit: int, reply: Reply, *, events: bool) -> None:
        self._stream = stream
        self._limit = limit
        self._reply = reply
        self._events = events

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size, last = 0, b""
        try:
            async for piece in self._stream:
                if self._reply.abandoned:
                    raise self._failed("nobody waits for its answer any more")
                size -= len(last)
                messages = _EMPTY.split(last + piece) if self._events else [last + piece]
                if max(size + len(messages[0]), *map(len, messages)) > self._limit:
                    raise self._failed("it sent a message that is larger than max_bytes")
                size = len(messages[-1]) + (size if len(messages) == 1 else 0)
                last = messages[-1][-3:]
                yield piece
        except httpx2.TransportError as error:
            raise self._failed(f"it broke off its answer ({_brief(error)})") from error
        if self._events:
            self._reply.fault = "it ended its answer before the result"

    def _failed(self, fault: str) -> httpx2.StreamError:
        self._reply.fault = fault
        return httpx2.StreamError(fault)

    async def aclose(self) -> None:
        await self._stream.aclose()


def _fault(status: int, kind: str) -> str:
    """Return why an answer is none of the server's own, in half a sentence; empty if it is one."""
    if status >= 300 and (status in _REFUSED or kind != _JSON):  # noqa: PLR2004  # no redirect is followed
        return f"it answered HTTP {status}"
    if status == 200 and kind not in (_JSON, _EVENTS):  # noqa: PLR2004  # others have no content
        return f"it answered with {printable(kind)[:100] or 'a body of no type'} instead of JSON"
    return ""


def _brief(error: Exception) -> str:
    if reason := system_reason(error):
        return reason.rstrip(".")
    return without_secrets(printable(" ".join(str(error).split())))[:200].rstrip(".") or type(error).__name__
