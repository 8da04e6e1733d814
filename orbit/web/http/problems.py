"""Errors as clients see them: a status, a code and a sentence, in ``application/problem+json`` (RFC 9457)."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

import msgspec
from litestar.exceptions import ValidationException
from litestar.types import Receive, Scope, Send

from orbit.auth.keys import REFUSAL
from orbit.auth.rate_limits import RateLimited
from orbit.chat.conversations import UnknownConversation
from orbit.chat.turn import TurnTimeout
from orbit.errors import DatabaseUnavailable, OrbitError, Overloaded, PromptTooLong, ProviderError, Unauthorized
from orbit.sanitize import without_secrets

logger = logging.getLogger("orbit.web")

KEY_CHALLENGE = b'ApiKey realm="orbit", header="X-API-Key"'


class RequestError(OrbitError):
    """The request itself is wrong. ``status`` is the HTTP status, ``code`` a stable word, ``detail`` for the client."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        self.status = status
        self.code = code
        self.client = detail
        super().__init__(detail)


class ServerStopping(RequestError):
    """The server stops, and its time to let answers end is over."""

    def __init__(self) -> None:
        super().__init__(503, "server_stopping", "The server is stopping. Try again in a moment.")


class ProblemDetails(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of an error response. ``provider`` is for operators only."""

    title: str
    status: int
    code: str
    detail: str
    request_id: str = ""
    provider: str = ""


_STATUS: dict[type[OrbitError], int] = {
    Unauthorized: 401,
    UnknownConversation: 404,
    PromptTooLong: 413,
    RateLimited: 429,
    Overloaded: 503,
    DatabaseUnavailable: 503,
    TurnTimeout: 504,
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


_PARTS = {
    "generate": "The model",
    "count_tokens": "The model",
    "embed": "The embedding model",
    "retrieve": "The document search",
    "rerank": "The document search",
    "moderate": "The content check",
}
"""What a client may know of the part that failed, by its operation."""
_FAILURES = {
    "rejected": "cannot process this request. Check its messages and parameters",
    "failed": "could not answer",
    "unavailable": "is not available. Try again in a moment",
    "overloaded": "is busy. Try again in a moment",
    "not_found": "could not answer",
    "timeout": "did not answer in time. Try again in a moment",
}
_SENTENCES: dict[type[OrbitError], str] = {
    Unauthorized: REFUSAL,
    PromptTooLong: "The question is too long for the model. Shorten it, or begin a new conversation.",
    Overloaded: "The server is busy. Try again in a moment.",
    DatabaseUnavailable: "The server cannot look up its records. Try again in a moment.",
}
_INTERNAL = "The server failed unexpectedly."


def status_of(error: BaseException) -> int:
    """The HTTP status of an error.

    A model that fails is a bad gateway (502, 504); a request that it rejects is the client's to mend (400). A guard or
    a retriever that fails makes the service unavailable (503) whatever went wrong with it: the operator chose that
    nothing is answered without it.
    """
    if isinstance(error, RequestError):
        return error.status
    if isinstance(error, ProviderError):
        clients = error.operation in _ANSWERING or (error.kind == "rejected" and error.client)
        return _FAILURE_STATUS[error.kind] if clients else 503
    return next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)


def problem_of(error: BaseException, request_id: str = "") -> ProblemDetails:
    """What a client gets of an error: a code, a sentence without internals, and the request id.

    The cause goes to the server log here, unless it is there already.
    """
    status = status_of(error)
    _log(error, status, request_id)
    code = error.code if isinstance(error, OrbitError) else OrbitError.code
    detail = _sentence(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and request_id:
        detail += f" Request id: {request_id}."
    return ProblemDetails(HTTPStatus(status).phrase, status, code, detail, request_id)


def operators_problem_of(error: BaseException, request_id: str = "") -> ProblemDetails:
    """What a signed-in operator gets of an error: all that ORBIT knows, without secrets."""
    problem = problem_of(error, request_id)
    if not isinstance(error, OrbitError):
        return problem
    provider = error.provider if isinstance(error, ProviderError) else ""
    return msgspec.structs.replace(problem, detail=without_secrets(str(error)), provider=provider)


def headers_of(error: BaseException, status: int, challenge: bytes = KEY_CHALLENGE) -> list[tuple[bytes, bytes]]:
    """The headers that go with an error: whether and when to try again, and how to sign in (``challenge``).

    ``Retry-After`` comes with what passes by itself. ``x-should-retry: false`` keeps OpenAI's clients from repeating
    what ORBIT has repeated already, or what only an operator can mend.
    """
    headers: list[tuple[bytes, bytes]] = []
    passes, retried = status in (503, 504), isinstance(error, TurnTimeout)
    if isinstance(error, ProviderError):
        passes, retried = error.passes, error.retried or not error.passes
    retry_after = getattr(error, "retry_after", 1 if passes else None)
    if retry_after is not None:
        headers.append((b"retry-after", str(retry_after).encode()))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and (retried or status == HTTPStatus.INTERNAL_SERVER_ERROR):
        headers.append((b"x-should-retry", b"false"))
    if status == HTTPStatus.UNAUTHORIZED:
        headers.append((b"www-authenticate", challenge))
    if isinstance(error, RateLimited):
        headers += error.quota.headers()
    return headers


def invalid_fields(error: ValidationException) -> str:
    """Say which fields of a body or parameters have the wrong shape, never what was sent."""
    details = error.extra if isinstance(error.extra, list) else []
    return "; ".join(f"{_field(item)}: {item.get('message')}" for item in details) or "The request is not valid."


def _field(detail: dict[str, Any]) -> str:
    name = detail.get("key")
    return str(name) if name and name != "data" else "body"


def _sentence(error: BaseException) -> str:
    if not isinstance(error, OrbitError):
        return _INTERNAL
    if error.client:
        return error.client
    if isinstance(error, ProviderError):
        seconds = getattr(error, "retry_after", 1)
        what = _FAILURES[error.kind] if seconds == 1 else _FAILURES[error.kind].replace("a moment", f"{seconds} s")
        return f"{_PARTS.get(error.operation, 'A part of the server')} {what}."
    return next((sentence for kind, sentence in _SENTENCES.items() if isinstance(error, kind)), _INTERNAL)


def _log(error: BaseException, status: int, request_id: str) -> None:
    """Log what operators need to know of a failed request; what clients do wrong is in the access log."""
    if not isinstance(error, OrbitError):
        logger.error("request %s failed unexpectedly", request_id, exc_info=error)
        return
    logger.debug("the cause of the failure of request %s", request_id, exc_info=error)
    ours = isinstance(error, ProviderError | PromptTooLong) or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    if error.logged or not ours or isinstance(error, Overloaded | ServerStopping):
        return
    error.logged = True
    level = logging.ERROR if status == HTTPStatus.INTERNAL_SERVER_ERROR else logging.WARNING
    logger.log(level, "request %s failed: %s", request_id, error)


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
