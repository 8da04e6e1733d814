"""Plain HTTP beside HTTPS: certificate challenges, health checks, and a redirect for everything else."""

from __future__ import annotations

import asyncio
import re
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from litestar import Response, get
from litestar.params import FromPath
from litestar.types import ASGIApp, Receive, Scope, Send

from orbit.web.http.problems import RequestError, problem_of
from orbit.web.http.request import host_of, request_id_of

PREFIX = "/.well-known/acme-challenge/"
HEALTH = frozenset({"/health", "/health/live", "/health/ready"})
"""What load balancers ask without TLS."""
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,256}")  # the only characters of a challenge: no dot, no slash
_LARGEST = 10_000


def challenge_route(folder: Path) -> Any:
    """Return the route that serves a certificate authority's challenges from one folder."""

    def read(token: str) -> bytes | None:
        if not _TOKEN.fullmatch(token):
            return None
        try:
            with (folder / token).open("rb") as file:
                return file.read(_LARGEST)
        except OSError:
            return None

    @get(f"{PREFIX}{{token:str}}", include_in_schema=False)
    async def challenge(token: FromPath[str]) -> Response[bytes]:
        content = await asyncio.to_thread(read, token)
        if content is None:
            raise RequestError(404, "not_found", "There is no such challenge.")
        return Response(content, headers={"Content-Type": "text/plain"})

    return challenge


class RedirectToHttps:
    """ASGI middleware that redirects plain HTTP to HTTPS, except for health checks and certificate challenges."""

    def __init__(self, app: ASGIApp, port: int, root: str = "") -> None:
        self._app = app
        self._root = root
        self._port = "" if port == 443 else f":{port}"  # noqa: PLR2004  # the port that need not be said

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        host = host_of(scope)
        path = scope["path"]
        if scope["scheme"] == "https" or path.startswith(PREFIX) or path.rstrip("/") in HEALTH:
            await self._app(scope, receive, send)
            return
        body = b""
        if host is None:
            problem = problem_of(
                RequestError(400, "invalid_host", "The Host header names no host."), request_id_of(scope)
            )
            status, body = problem.status, msgspec.json.encode(problem)
            headers = [(b"content-type", b"application/problem+json")]
        else:
            query = scope["query_string"].decode("latin-1")
            path = quote(path, safe="/:@!$&'()*+,;=~-._")
            location = f"https://{host['name']}{self._port}{self._root}{path}{'?' + query if query else ''}"
            headers = [(b"location", location.encode("latin-1"))]
            status = HTTPStatus.PERMANENT_REDIRECT  # which keeps the method and the body
        headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})
