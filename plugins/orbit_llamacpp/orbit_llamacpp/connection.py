"""The provider's end of the socket to the engine's process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from orbit_llamacpp.protocol import HEADER, Command, Event, decode_events, encode


class Connection(asyncio.Protocol):
    """Writes commands, splits incoming data into frames and dispatches their events, without a task in between."""

    def __init__(self, on_events: Callable[[list[Event]], None]) -> None:
        """Set the callback for events, which runs on the event loop."""
        self._on_events = on_events
        self._received = bytearray()
        self._transport: asyncio.WriteTransport | None = None
        self.lost = asyncio.get_running_loop().create_future()
        """Done when the other end has closed."""

    def send(self, command: Command) -> None:
        """Write a command; do nothing on a lost connection."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(encode(command))

    async def close(self) -> None:
        """Close the socket and wait until it is closed."""
        if self._transport is not None:
            self._transport.close()
            await asyncio.wait([self.lost])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport. Called by asyncio."""
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's do not inherit from it

    def connection_lost(self, exc: Exception | None) -> None:
        """Resolve ``lost``. Called by asyncio."""
        del exc
        if not self.lost.done():
            self.lost.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Decode complete frames. Called by asyncio."""
        received = self._received
        received += data
        at = 0
        while len(received) - at >= HEADER.size:
            (length,) = HEADER.unpack_from(received, at)
            end = at + HEADER.size + length
            if len(received) < end:
                break
            self._on_events(decode_events(bytes(received[at + HEADER.size : end])))
            at = end
        del received[:at]
