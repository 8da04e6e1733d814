"""What plain HTTP is for once there is HTTPS: certificate challenges, and sending everybody else over."""

from __future__ import annotations

import asyncio
import re
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

from litestar.types import ASGIApp, Receive, Scope, Send

from orbit.web.http.problems import ProblemResponse, RequestError
from orbit.web.http.request import header, request_id_header, request_id_of

PREFIX = "/.well-known/acme-challenge/"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,256}")  # the only characters of a challenge: no dot, no slash
_HOST = re.compile(r"(?P<name>[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?")
_LARGEST = 10_000


class Challenges:
    """Serves the files that a certificate authority looks for, from one folder, and leads on what is no challenge."""

    def __init__(self, app: ASGIApp, folder: Path) -> None:
        self._app = app
        self._folder = folder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        path = scope["path"]
        if not path.startswith(PREFIX):
            await self._app(scope, receive, send)
            return
        content = await asyncio.to_thread(self._read, path.removeprefix(PREFIX))
        if content is None or scope.get("method") not in ("GET", "HEAD"):
            error = RequestError(404, "not_found", "there is no such challenge.")
            await ProblemResponse(error, request_id_of(scope))(scope, receive, send)
            return
        length = (b"content-length", str(len(content)).encode())
        headers = [(b"content-type", b"text/plain"), length, request_id_header(scope)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content, "more_body": False})

    def _read(self, token: str) -> bytes | None:
        if not _TOKEN.fullmatch(token):
            return None
        try:
            with (self._folder / token).open("rb") as file:
                return file.read(_LARGEST)
        except OSError:
            return None


class ToHttps:
    """Sends whoever comes by HTTP to the same place by HTTPS; those who came by HTTPS are served."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._port = "" if port == 443 else f":{port}"  # noqa: PLR2004  # the port that need not be said

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["scheme"] == "https":
            await self._app(scope, receive, send)
            return
        host = _HOST.fullmatch(header(scope, b"host") or "")
        if host is None:
            error = RequestError(400, "invalid_host", "the Host header names no host.")
            await ProblemResponse(error, request_id_of(scope))(scope, receive, send)
            return
        query = scope["query_string"].decode("latin-1")
        path = quote(scope["path"], safe="/:@!$&'()*+,;=~-._")
        location = f"https://{host['name']}{self._port}{path}{'?' + query if query else ''}"
        headers = [(b"location", location.encode("latin-1")), (b"content-length", b"0"), request_id_header(scope)]
        status = HTTPStatus.PERMANENT_REDIRECT  # which keeps the method and the body
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
