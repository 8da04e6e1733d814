"""A time limit for clients that do not read their response."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

_STEP_BYTES = 16_384
"""Bytes that a client must read within the time limit."""


class StalledReaders:
    """Checks all connections at intervals, so a response pays nothing.

    A connection counts once the server has to wait for its client before it can send more. If the client then reads
    next to nothing for ``seconds``, the connection closes, and its turn ends as for any client that leaves.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: dict[Any, tuple[float, int, int]] = {}

    def look(self, connections: Iterable[Any]) -> None:
        """Close the connections of clients that have stopped reading."""
        now = time.monotonic()
        since: dict[Any, tuple[float, int, int]] = {}
        for connection in connections:
            if not connection.flow.write_paused:
                continue
            waiting, resumed = connection.transport.get_write_buffer_size(), connection.resumed
            before = self._since.get(connection)
            if before is None or resumed != before[2] or waiting <= before[1] - _STEP_BYTES:
                before = (now, waiting, resumed)
            since[connection] = before
            if now - before[0] >= self._seconds:
                connection.transport.abort()
        self._since = since
