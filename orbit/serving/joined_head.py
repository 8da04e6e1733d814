"""Sends the head of a response in one write with the beginning of its body."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class JoinedHead:
    """A transport whose first write of a response waits for the second, within the same turn of the event loop.

    uvicorn writes head and body apart. Each write is a system call here and another wake-up for the client. After
    ``expect`` a head is joined; all other writes are the transport's own, because a streamed answer has many.
    """

    write: Callable[[bytes], None]
    """Write data, or keep it for a moment if it is an expected head. A body that looks like one only waits."""

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""
        self.expect()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def expect(self) -> None:
        """Join the next head."""
        if not self._head:
            self.write = self._keep

    def _keep(self, data: bytes) -> None:
        if data.startswith(b"HTTP/1.1 ") and not data.startswith(b"HTTP/1.1 1"):
            self._head = data
            self.write = self._join
            self._loop.call_soon(self._flush)
        else:
            self._transport.write(data)

    def _join(self, data: bytes) -> None:
        self.write = self._transport.write
        data, self._head = self._head + data, b""
        self._transport.write(data)

    def write_eof(self) -> None:
        """Close the writing end, after what has been written."""
        self._flush()
        self._transport.write_eof()

    def close(self) -> None:
        """Close the connection, after what has been written."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._head:
            self._join(b"")
