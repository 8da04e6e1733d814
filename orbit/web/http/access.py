"""What happens to every request, whoever serves it: an id, a count, a line in the access log."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from litestar.types import ASGIApp, Receive, Send

from orbit.observing.metrics import Metrics
from orbit.observing.server_log import request_id as current_request
from orbit.web.http.redaction import redacted
from orbit.web.http.request import request_id_of

access = logging.getLogger("orbit.access")

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Front:
    """Leads requests to the routes that answer, or else to the framework.

    Those that answer say what became of the request in ``scope["state"]``: ``status``, if it is not 200, and
    ``key_id``. Their messages pass untouched; the framework's get the request's id.
    """

    def __init__(
        self, answering: Mapping[str, ASGIApp], others: ASGIApp, metrics: Metrics | None, *, log: bool
    ) -> None:
        self._answering = answering
        self._others = others
        self._metrics = metrics
        self._log = log

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        path = scope["path"]
        state: dict[str, Any] = scope["state"]
        state["request_id"] = request_id = request_id_of(scope)
        current_request.set(request_id)
        log = self._log and access.isEnabledFor(logging.INFO)
        started = time.perf_counter() if log else 0.0
        handler = self._answering.get(path)
        try:
            if handler is not None:
                await handler(scope, receive, send)
            else:
                await self._others(scope, receive, _noting(state, request_id, send))
        finally:
            route = path if handler is not None else scope.get("path_template") or "other"
            method, status = scope["method"], state.get("status", 200)
            if self._metrics is not None:
                self._metrics.requests[route, method if method in _METHODS else "other", str(status)] += 1
            if log:
                _log(scope, redacted(path), status, time.perf_counter() - started)


def _log(scope: Any, path: str, status: int, seconds: float) -> None:
    method, milliseconds = scope["method"], round(seconds * 1000, 1)
    client = scope.get("client")
    key_id = scope["state"].get("key_id", "")
    access.info(
        "%s %s %s %s ms%s",
        method,
        path,
        status,
        milliseconds,
        f" key {key_id}" if key_id else "",
        extra={
            "method": method,
            "path": path,
            "status": status,
            "duration_ms": milliseconds,
            "client_ip": client[0] if client else "",
            "key_id": key_id,
        },
    )


def _noting(state: dict[str, Any], request_id: str, send: Send) -> Send:
    """Add the request's id to the response, and note its status."""

    async def noting(message: Any) -> None:
        if message["type"] == "http.response.start":
            state["status"] = message["status"]
            headers = [pair for pair in message.get("headers", ()) if pair[0] != b"x-request-id"]
            message = {**message, "headers": [*headers, (b"x-request-id", request_id.encode())]}
        await send(message)

    return noting
