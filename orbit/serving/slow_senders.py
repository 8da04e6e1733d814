"""A time limit for arriving requests: 408 for clients that send too slowly."""

from __future__ import annotations

import time
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from orbit.serving.http_protocol import response
from orbit.web.http.body import UPLOAD_PIECE


class SlowSenders:
    """Checks all connections at intervals, so a request pays nothing.

    A request, headers and body, must arrive within ``seconds`` of its first byte (for the first request: of the
    connection). So must the rest of a body that the server answered early. The keep-alive timeout limits the time
    between requests. Time in which the server itself does not read the body does not count.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: dict[Any, tuple[object, float]] = {}

    def look(self, connections: Iterable[Any]) -> None:
        """Close the connections of clients that have taken too long."""
        now = time.monotonic()
        since: dict[Any, tuple[object, float]] = {}
        for connection in connections:
            request = None if connection.refused else _arriving(connection)
            if request is None:
                continue
            before = self._since.get(connection)
            started = before[1] if before is not None and before[0] is request else now
            since[connection] = (request, started)
            if now - started >= self._seconds:
                self._give_up(connection)
        self._since = since

    def _give_up(self, connection: Any) -> None:
        cycle = connection.cycle
        begun = connection.scope is not None and (cycle is None or connection.scope is not cycle.scope)
        unanswered = cycle is not None and not cycle.response_started
        if begun or unanswered:
            detail = f"the request did not arrive whole within {self._seconds:g} s."
            headers = connection.server_state.default_headers
            connection.transport.write(response(HTTPStatus.REQUEST_TIMEOUT, "request_timeout", detail, headers))
        connection.transport.close()


def _arriving(connection: Any) -> object:
    """Return an object that identifies the unfinished request, the same at each check, or None."""
    cycle: Any = connection.cycle
    if cycle is None:
        return connection if connection.scope is None else connection.scope
    if cycle.response_complete:
        if connection.idle_since is not None and not cycle.more_body:  # nothing has come since the response
            return None
        return connection.scope if connection.scope is not cycle.scope else cycle
    if cycle.more_body and not connection.flow.read_paused:
        return cycle.scope["state"].get(UPLOAD_PIECE, cycle)
    return None
