"""Errors as clients see them: a status, a code and a sentence, in ``application/problem+json`` (RFC 9457)."""

from __future__ import annotations

import logging
from http import HTTPStatus

import msgspec
from litestar.types import Receive, Scope, Send

from orbit.auth import RateLimited
from orbit.errors import OrbitError, Overloaded, PromptTooLong, ProviderError, StoreUnavailable, Unauthorized
from orbit.sessions import UnknownSession

logger = logging.getLogger("orbit.web")

KEY_CHALLENGE = b'ApiKey realm="orbit", header="X-API-Key"'


class RequestError(OrbitError):
    """The request itself is wrong. ``status`` is the HTTP status, ``code`` a stable word."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        self.status = status
        self.code = code
        super().__init__(detail)


class ServerStopping(RequestError):
    """The server stops, and its time to let answers end is over."""

    def __init__(self) -> None:
        super().__init__(503, "server_stopping", "the server is stopping; ask again in a moment.")


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of an error response."""

    title: str
    status: int
    code: str
    detail: str
    request_id: str = ""
    provider: str = ""


_STATUS: dict[type[OrbitError], int] = {
    Unauthorized: 401,
    UnknownSession: 404,
    PromptTooLong: 413,
    RateLimited: 429,
    Overloaded: 503,
    StoreUnavailable: 503,
}
_FAILURE_STATUS = {
    "rejected": 400,
    "failed": 502,
    "unavailable": 503,
    "overloaded": 503,
    "not_found": 503,
    "timeout": 504,
}
_ANSWERING = frozenset({"generate", "count_tokens", "embed"})


def status_of(error: BaseException) -> int:
    """The HTTP status of an error.

    A model that fails is a bad gateway (502, 504); a request that it rejects is the client's to mend (400). A guard
    or a retriever that fails makes the service unavailable (503) whatever went wrong with it: the operator chose that
    nothing is answered without it.
    """
    if isinstance(error, RequestError):
        return error.status
    if isinstance(error, ProviderError):
        return _FAILURE_STATUS[error.kind] if error.operation in _ANSWERING else 503
    return next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)


def problem_of(error: BaseException, request_id: str = "") -> Problem:
    """What to tell a client of an error. Unexpected ones are logged here, and told without their text."""
    status = status_of(error)
    if isinstance(error, OrbitError):
        detail, code = str(error), error.code
    else:
        logger.error("request %s failed unexpectedly", request_id, exc_info=error)
        detail, code = "the server failed unexpectedly; its log has the details.", OrbitError.code
    provider = error.provider if isinstance(error, ProviderError) else ""
    return Problem(HTTPStatus(status).phrase, status, code, detail, request_id, provider)


def headers_of(error: BaseException, status: int, challenge: bytes = KEY_CHALLENGE) -> list[tuple[bytes, bytes]]:
    """The headers that go with an error: when to come back, and how to sign in, which ``challenge`` says."""
    headers: list[tuple[bytes, bytes]] = []
    retry_after = getattr(error, "retry_after", 1 if status in (503, 504) else None)
    if retry_after is not None:
        headers.append((b"retry-after", str(retry_after).encode()))
    if status == HTTPStatus.UNAUTHORIZED:
        headers.append((b"www-authenticate", challenge))
    if isinstance(error, RateLimited):
        headers += error.quota.headers()
    return headers


class ProblemResponse:
    """An ASGI application that sends a problem."""

    def __init__(self, error: BaseException, request_id: str = "") -> None:
        problem = problem_of(error, request_id)
        self._status = problem.status
        self._body = msgspec.json.encode(problem)
        self._headers = headers_of(error, problem.status)
        if request_id:
            self._headers.append((b"x-request-id", request_id.encode()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI's signature
        """Send it."""
        headers = [
            (b"content-type", b"application/problem+json"),
            (b"content-length", str(len(self._body)).encode()),
            *self._headers,
        ]
        await send({"type": "http.response.start", "status": self._status, "headers": headers})
        await send({"type": "http.response.body", "body": self._body, "more_body": False})
