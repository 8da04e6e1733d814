"""Cross-origin requests (CORS): off unless origins are configured. Browsers ask; other clients do not notice."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from litestar.types import ASGIApp, Receive, Scope, Send

from orbit.config.model import Cors
from orbit.web.http.problems import ProblemResponse, RequestError
from orbit.web.http.request import header, request_id_header, request_id_of

_EXPOSED = "X-Request-ID, Retry-After, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, RateLimit-Policy"


class CrossOrigin:
    """Answers preflight requests, and lets the scripts of allowed origins read responses."""

    def __init__(self, app: ASGIApp, settings: Cors) -> None:
        self._app = app
        self._any = "*" in settings.allow_origins
        self._origins = frozenset(origin.rstrip("/").lower() for origin in settings.allow_origins)
        self._preflight = [
            (b"access-control-allow-methods", ", ".join(settings.allow_methods).encode()),
            (b"access-control-allow-headers", ", ".join(settings.allow_headers).encode()),
            (b"access-control-max-age", str(settings.max_age).encode()),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        origin = header(scope, b"origin")
        if origin is None:
            await self._app(scope, receive, self._with(send, [] if self._any else [(b"vary", b"Origin")]))
            return
        allowed = self._any or origin.lower() in self._origins
        headers = self._headers(origin) if allowed else [(b"vary", b"Origin")]
        if scope.get("method") != "OPTIONS" or header(scope, b"access-control-request-method") is None:
            await self._app(scope, receive, self._with(send, headers))
        elif allowed:
            headers = [*headers, *self._preflight, request_id_header(scope)]
            await send({"type": "http.response.start", "status": 204, "headers": headers})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            error = RequestError(403, "origin_not_allowed", "This origin is not allowed.")
            await ProblemResponse(error, request_id_of(scope))(scope, receive, self._with(send, headers))

    def _headers(self, origin: str) -> list[tuple[bytes, bytes]]:
        exposed = (b"access-control-expose-headers", _EXPOSED.encode())
        if self._any:
            return [(b"access-control-allow-origin", b"*"), exposed]
        return [(b"access-control-allow-origin", origin.encode("latin-1")), (b"vary", b"Origin"), exposed]

    @staticmethod
    def _with(send: Send, headers: list[tuple[bytes, bytes]]) -> Send:
        """Add headers to a response. It returns what ``send`` returns, so that frames pass at next to no cost."""
        if not headers:
            return send

        def sending(message: Any) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *headers]}
            return send(message)

        return sending
