"""Sends in one write what is written within one turn of the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

_MOST_WAITING = 65_536
"""Bytes that wait at most, so that a writer without a pause learns of a client that does not read."""
_MOST_SECONDS = 0.005
"""Seconds after which nothing waits any longer if the writer does not let the turn end."""
_FORWARDED = (
    *("abort", "can_write_eof", "get_extra_info", "get_write_buffer_size", "is_closing"),
    *("pause_reading", "resume_reading", "set_protocol"),
)
"""What a connection asks of its transport besides writing. With ``__getattr__`` instead, Python could not cache the
look-ups of attributes, and a write would cost more than twice as much.
"""


class TurnEnd:
    """Calls functions at the end of a turn of an event loop. All connections share one callback of the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[Callable[[], None]] = []

    def add(self, function: Callable[[], None]) -> None:
        """Call a function, which must not raise, once this turn is over."""
        if not self._waiting:
            self._loop.call_soon(self._call)
        self._waiting.append(function)

    def _call(self) -> None:
        waiting, self._waiting = iter(self._waiting), []
        try:
            for function in waiting:
                function()
        finally:
            for function in waiting:  # one has raised all the same: the others must not wait for ever
                self.add(function)


_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, TurnEnd] = WeakKeyDictionary()


def turn_end(loop: asyncio.AbstractEventLoop) -> TurnEnd:
    """Return what the connections of a loop share."""
    found = _turns.get(loop)
    if found is None:
        found = _turns[loop] = TurnEnd(loop)
    return found


class CorkedTransport:
    """A transport whose first write of a turn leaves at once, and whose later ones leave together at its end.

    uvloop makes each write a system call, and each wakes the client. A stream has all the pieces that one read from the
    model's server brought. The head of a response waits for the beginning of its body.
    """

    get_write_buffer_size: Callable[[], int]

    def __init__(self, transport: Any, turn: TurnEnd) -> None:
        for name in _FORWARDED:
            setattr(self, name, getattr(transport, name, None))
        self._transport = transport
        self._turn = turn
        self._begun = False
        self._joins = False
        self._waiting: list[bytes] = []
        self._size = 0
        self._since = 0.0

    def write(self, data: bytes) -> None:
        """Write data now or by the end of the turn, in order."""
        if not self._begun:
            self._begun = True
            self._turn.add(self.end)
            self._joins = data.startswith(b"HTTP/1.1 ") and not data.startswith(b"HTTP/1.1 1")
            if self._joins:
                self._waiting.append(data)
            else:
                self._since = time.monotonic()
                self._transport.write(data)
            return
        self._waiting.append(data)
        if self._joins:
            self._since = time.monotonic()
            self._flush()
            return
        self._size += len(data)
        now = time.monotonic()
        if self._size > _MOST_WAITING or now - self._since > _MOST_SECONDS:
            self._since = now
            self._flush()

    def write_at_once(self, data: bytes) -> None:
        """Write data after what waits, without waiting for more."""
        if self._waiting:
            self._flush()
        self._transport.write(data)

    def write_eof(self) -> None:
        """Close the writing end, after what has been written."""
        self._flush()
        self._transport.write_eof()

    def close(self) -> None:
        """Close the connection, after what has been written."""
        self._flush()
        self._transport.close()

    def end(self) -> None:
        """Write what still waits: the turn is over. If the client has left meanwhile, uvloop would raise."""
        self._begun = False
        if self._waiting and not self._transport.is_closing():
            self._flush()

    def _flush(self) -> None:
        self._joins = False
        if self._waiting:
            data = b"".join(self._waiting)
            self._waiting.clear()
            self._size = 0
            self._transport.write(data)
