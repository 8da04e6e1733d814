"""A transport to a server over streamable HTTP, whose answers are limited."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from orbit.upstreams import Address
from orbit_mcp.ended import Ended
from orbit_mcp.settings import ServerSettings

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams


@asynccontextmanager
async def http_streams(settings: ServerSettings, ended: Ended) -> AsyncGenerator[TransportStreams, None]:
    """Connect to the address of a server, and yield the streams of its messages. ``ended`` learns of refusals."""
    import httpx2  # noqa: PLC0415  # importing the plugin stays cheap
    from mcp.client.streamable_http import streamable_http_client  # noqa: PLC0415  # the same

    class Limited(httpx2.AsyncByteStream):
        """A body that fails once it is too large."""

        def __init__(self, stream: Any, limit: int) -> None:
            self._stream = stream
            self._left = limit

        async def __aiter__(self) -> AsyncIterator[bytes]:
            async for piece in self._stream:
                self._left -= len(piece)
                if self._left < 0:
                    raise httpx2.ReadError("the answer is larger than max_bytes")
                yield piece

        async def aclose(self) -> None:
            await self._stream.aclose()

    class Transport(httpx2.AsyncHTTPTransport):
        """Limits all bodies but streams of events, whose events the SDK limits."""

        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            response = await super().handle_async_request(request)
            if request.method == "POST":
                ended.said = f"it answered HTTP {response.status_code}" if response.is_error else ""
            if not response.headers.get("content-type", "").startswith("text/event-stream"):
                response.stream = Limited(response.stream, settings.max_bytes)
            return response

    address = Address.parse(settings.url)
    timeout = httpx2.Timeout(settings.timeout, connect=min(10.0, settings.start_timeout), read=None)
    headers = {**address.headers(), **settings.headers, "Accept-Encoding": "identity"}  # no bodies that grow
    async with httpx2.AsyncClient(transport=Transport(), headers=headers, timeout=timeout, trust_env=False) as client:
        url = address.at("")
        async with streamable_http_client(url, http_client=client, max_sse_event_size=settings.max_bytes) as streams:
            yield streams
