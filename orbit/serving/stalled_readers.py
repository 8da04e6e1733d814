"""Clients that do not read their response are disconnected, so that they cannot hold places for ever."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

_STEP_BYTES = 16_384
"""What a client must take within the time: less is no better than nothing."""


class StalledReaders:
    """Looks at all connections now and then; a response costs nothing by it.

    A connection counts once so much waits to be sent that the server has to wait for its client. The connection is
    closed if the client then takes next to nothing for ``seconds``: its turn ends as for any client that leaves.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: dict[Any, tuple[float, int, int]] = {}

    def look(self, connections: Iterable[Any]) -> None:
        """Disconnect those of uvicorn's HTTP connections whose client has stopped reading."""
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
