"""One request and its response: uvicorn's, with a head that is checked once and leaves with its body."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

_NO_BODY: Final = (204, 304)
_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class Exchange(RequestResponseCycle):
    """Serves one request.

    A head with ``content-length`` waits for the body and leaves in one write with it. Any other goes to the transport
    at once, because what follows may take a while.
    """

    def __init__(self, protocol: HttpToolsProtocol, *, keep_alive: bool) -> None:
        super().__init__(
            scope=protocol.scope,
            transport=protocol.transport,
            flow=protocol.flow,
            logger=protocol.logger,
            access_logger=protocol.access_logger,
            access_log=False,  # ORBIT writes its own
            default_headers=protocol.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=protocol.expect_100_continue,
            keep_alive=keep_alive,
            on_response=protocol.on_response_complete,
        )
        self._head = b""

    @override
    async def send(self, message: Any) -> None:
        """Send the head or a piece of the body. Raises RuntimeError for messages that break HTTP's rules."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        wanted = "http.response.body" if self.response_started else "http.response.start"
        if message["type"] != wanted or self.response_complete:
            raise RuntimeError(f"The ASGI message '{message['type']}' is out of order.")
        if not self.response_started:
            self.response_started = True
            self._begin(message["status"], message.get("headers", ()))
            return
        more = message.get("more_body", False)
        data = self._framed(message.get("body", b""), more=more)
        if self._head:
            transport: Any = self.transport
            transport.write_at_once(self._head + data)
            self._head = b""
        elif data:
            self.transport.write(data)
        if not more:
            self._end()

    def _begin(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Write the head, or keep it for the body."""
        fields = [STATUS_LINE[status], _common.fields(self.default_headers)]
        values: list[bytes] = []
        closes = False
        for given, value in headers:
            name = _field_name(given)
            if name == b"content-length" and self.chunked_encoding is None:
                self.expected_content_length, self.chunked_encoding = int(value), False
            elif name == b"transfer-encoding" and value.lower() == b"chunked":
                self.expected_content_length, self.chunked_encoding = 0, True
            elif name == b"connection" and b"close" in map(bytes.strip, value.lower().split(b",")):
                self.keep_alive, closes = False, True
            fields += (name, b": ", value, b"\r\n")
            values.append(value)
        if _CONTROL.search(b"".join(values)):
            raise RuntimeError("A header of the response has a control character.")
        if not (self.keep_alive or closes):
            fields.append(b"connection: close\r\n")
        if self.chunked_encoding is None and self.scope["method"] != "HEAD" and status not in _NO_BODY:
            self.chunked_encoding = True
            fields.append(b"transfer-encoding: chunked\r\n")
        fields.append(b"\r\n")
        head = b"".join(fields)
        if self.chunked_encoding:
            self.transport.write(head)
        else:
            self._head = head

    def _framed(self, body: bytes, *, more: bool) -> bytes:
        """Return a piece of the body as it is written."""
        if self.scope["method"] == "HEAD":
            self.expected_content_length = 0
            return b""
        if self.chunked_encoding:
            chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            return chunk if more else chunk + b"0\r\n\r\n"
        self.expected_content_length -= len(body)
        if self.expected_content_length < 0:
            raise RuntimeError("The body is longer than its content-length.")
        return body

    def _end(self) -> None:
        if self.expected_content_length:
            raise RuntimeError("The body is shorter than its content-length.")
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


@lru_cache(maxsize=256)
def _field_name(name: bytes) -> bytes:
    """Return the name of a header in lower case. Raises RuntimeError if it is none."""
    if not _NAME.fullmatch(name):
        raise RuntimeError(f"{name!r} is no name of a header.")
    return name.lower()


class _Common:
    """The headers of all responses, as they are written. uvicorn makes a new list of them once a second."""

    def __init__(self) -> None:
        self._headers: list[tuple[bytes, bytes]] = []
        self._fields = b""

    def fields(self, headers: list[tuple[bytes, bytes]]) -> bytes:
        if headers is not self._headers:
            self._headers, self._fields = headers, b"".join([b"%b: %b\r\n" % pair for pair in headers])
        return self._fields


_common = _Common()
