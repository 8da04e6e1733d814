"""The middleware around every route: request ids, rate-limit headers, request counts and the access log."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable
from typing import Any

from litestar.types import ASGIApp, Receive, Send

from orbit.observing.metrics import Metrics
from orbit.observing.server_log import request_id as current_request
from orbit.web.http.redaction import redacted
from orbit.web.http.request import request_id_of

QUOTA = "quota"
"""The key in a request's state that holds the ``Quota`` of its API key."""
SERVER_SEND = "server_send"
"""The key in a request's state that holds the server's own ``send``.

Middleware changes only the start of a response, so streams may send their frames straight to the server.
"""

access = logging.getLogger("orbit.access")

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Access:
    """ASGI middleware that identifies, counts and logs every request, whatever route serves it.

    Routes may set ``status`` and ``key_id`` in ``scope["state"]``, for the access log and the metrics. ``headers`` go
    with every response that does not have them already.
    """

    def __init__(
        self, app: ASGIApp, metrics: Metrics | None, headers: tuple[tuple[bytes, bytes], ...] = (), *, log: bool
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._headers = headers
        self._log = log

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        path, method = scope["path"], scope["method"]  # Litestar writes its own form of the path into the scope
        state: dict[str, Any] = scope["state"]
        state[SERVER_SEND] = send
        current_request.set(request_id_of(scope))
        log = self._log and access.isEnabledFor(logging.INFO)
        started = time.perf_counter() if log else 0.0

        def sending(message: Any) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                state["status"] = message["status"]
                message = {**message, "headers": self._complete(message.get("headers", ()), state)}
            return send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            status = state.get("status", 200)
            if self._metrics is not None:
                route = scope.get("path_template") or "other"
                self._metrics.requests[route, method if method in _METHODS else "other", str(status)] += 1
            if log:
                _log(scope, method, redacted(path), status, time.perf_counter() - started)

    def _complete(self, headers: Any, state: dict[str, Any]) -> list[tuple[bytes, bytes]]:
        """Return the headers of a response with the request id, the key's remaining quota, and our own."""
        complete = [*headers, (b"x-request-id", state["request_id"].encode())]
        if (quota := state.get(QUOTA)) is not None:
            complete += quota.headers()
        for header in self._headers:
            if header not in complete:
                complete.append(header)
        return complete


def _log(scope: Any, method: str, path: str, status: int, seconds: float) -> None:
    milliseconds = round(seconds * 1000, 1)
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
