"""Errors as clients see them: a status, a code and a sentence, in ``application/problem+json`` (RFC 9457)."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Response
from litestar.exceptions import (
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    SerializationException,
    ValidationException,
)
from litestar.exceptions.http_exceptions import RequestEntityTooLarge

from orbit.admin.wire import plain
from orbit.auth.budgets import BudgetExceeded
from orbit.auth.keys import REFUSAL
from orbit.auth.rate_limits import RateLimited
from orbit.chat.history.conversations import UnknownConversation
from orbit.chat.history.responses import UnknownResponse
from orbit.chat.models.needs import Unsupported
from orbit.chat.turn import TurnTimeout
from orbit.errors import DatabaseUnavailable, OrbitError, Overloaded, PromptTooLong, ProviderError, Unauthorized
from orbit.host.models.catalogue import UnknownModel
from orbit.sanitize import without_secrets

logger = logging.getLogger("orbit.web")

KEY_CHALLENGE = b'ApiKey realm="orbit", header="X-API-Key"'
BEARER_CHALLENGE = b'Bearer realm="orbit"'


class RequestError(OrbitError):
    """The request itself is wrong. ``status`` is the HTTP status, ``code`` a stable word, ``detail`` for the client.

    ``headers`` go with the response. ``param`` is the place of the mistake in the body, such as ``messages[0].role``.
    """

    def __init__(
        self, status: int, code: str, detail: str, *, headers: Mapping[str, str] | None = None, param: str = ""
    ) -> None:
        self.status = status
        self.code = code
        self.client = detail
        self.headers = dict(headers or {})
        self.param = param
        super().__init__(detail)


class ServerStopping(RequestError):
    """The server is stopping, and the time for answers to finish has run out."""

    def __init__(self) -> None:
        super().__init__(503, "server_stopping", "The server is stopping. Try again in a moment.")


class ProblemDetails(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of an error response. ``param`` is the part of the request at fault; ``provider`` is for operators."""

    title: str
    status: int
    code: str
    detail: str
    request_id: str = ""
    provider: str = ""
    param: str = ""


_STATUS: dict[type[OrbitError], int] = {
    Unsupported: 400,
    Unauthorized: 401,
    UnknownConversation: 404,
    UnknownResponse: 404,
    UnknownModel: 404,
    PromptTooLong: 413,
    RateLimited: 429,
    BudgetExceeded: 429,
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
_ANSWERING = frozenset({"generate", "count_tokens", "embed", "embed_tokens"})

_PARTS = {
    "generate": "The model",
    "count_tokens": "The model",
    "embed": "The embedding model",
    "embed_tokens": "The embedding model",
    "retrieve": "The document search",
    "rerank": "The document search",
    "moderate": "The content check",
}
"""Names of parts for clients, by operation: none of them gives a provider or a setting away."""
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
_NO_BODY = "'data'"
"""All that Litestar says of a body that is missing."""


def status_of(error: BaseException) -> int:
    """Return the HTTP status of an error.

    A failing model is a bad gateway (502, 504). A request that the model rejects is the client's to mend (400). A
    failing guard or retriever makes the service unavailable (503) whatever the reason: the operator chose not to answer
    without it.
    """
    if isinstance(error, RequestError):
        return error.status
    if isinstance(error, ProviderError):
        clients = error.operation in _ANSWERING or (error.kind == "rejected" and error.client)
        return _FAILURE_STATUS[error.kind] if clients else 503
    return next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)


def problem_of(error: BaseException, request_id: str = "") -> ProblemDetails:
    """Return what a client reads of an error: a code, a sentence without internals, and the request id.

    Logs the cause, unless the server log has it already.
    """
    status = status_of(error)
    _log(error, status, request_id)
    code = error.code if isinstance(error, OrbitError) else OrbitError.code
    detail = _sentence(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and request_id:
        detail += f" Request id: {request_id}."
    param = parameter_of(error) or ""
    return ProblemDetails(HTTPStatus(status).phrase, status, code, detail, request_id, param=param)


def operators_problem_of(error: BaseException, request_id: str = "") -> ProblemDetails:
    """Return what a signed-in operator reads of an error: everything that ORBIT knows, without secrets."""
    problem = problem_of(error, request_id)
    if not isinstance(error, OrbitError):
        return problem
    provider = error.provider if isinstance(error, ProviderError) else ""
    return msgspec.structs.replace(problem, detail=without_secrets(str(error)), provider=provider)


def parameter_of(error: BaseException, names: Mapping[str, str] | None = None) -> str | None:
    """Return the parameter that an error is about, if any. ``names`` are a protocol's for options of the plugin API."""
    option = getattr(error, "option", "")
    return getattr(error, "param", None) or (names or {}).get(option, option) or None


def headers_of(error: BaseException, status: int, challenge: bytes = KEY_CHALLENGE) -> list[tuple[bytes, bytes]]:
    """Return the headers of an error: its own, whether and when to retry, and how to authenticate (``challenge``).

    Failures that pass by themselves have ``Retry-After``. ``x-should-retry: false`` stops OpenAI's clients from
    repeating what ORBIT has repeated already, what only an operator can mend, or what takes hours to pass.
    """
    headers: list[tuple[bytes, bytes]] = []
    if isinstance(error, RequestError):
        headers += [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
    passes, retried = status in (503, 504), isinstance(error, TurnTimeout)
    if isinstance(error, ProviderError):
        passes, retried = error.passes, error.retried or not error.passes
    retry_after = getattr(error, "retry_after", 1 if passes else None)
    if retry_after is not None:
        headers.append((b"retry-after", str(retry_after).encode()))
    fails = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    if isinstance(error, BudgetExceeded) or (fails and (retried or status == HTTPStatus.INTERNAL_SERVER_ERROR)):
        headers.append((b"x-should-retry", b"false"))
    if status == HTTPStatus.UNAUTHORIZED:
        headers.append((b"www-authenticate", challenge))
    if isinstance(error, RateLimited):
        headers += error.quota.headers()
    return headers


def invalid_fields(error: ValidationException) -> str:
    """Name the fields or parameters with the wrong shape, without the values that the client sent."""
    details = error.extra if isinstance(error.extra, list) else []
    if [item.get("message") for item in details] == [_NO_BODY]:
        return "The body is empty; it must be a JSON object."
    return (
        "; ".join(f"{_field(item)}: {plain(str(item.get('message')))}" for item in details)
        or "The request is not valid."
    )


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
    """Log a failure for operators. Mistakes of clients are in the access log only."""
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


def problem_response(error: BaseException, request_id: str = "") -> Response[ProblemDetails]:
    """Return the response to a request that failed."""
    problem = problem_of(error, request_id)
    return Response(
        problem,
        status_code=problem.status,
        headers=as_strings(headers_of(error, problem.status)),
        media_type="application/problem+json",
    )


def as_strings(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return ASGI's headers in the form that Litestar's responses take."""
    return {name.decode(): value.decode() for name, value in headers}


def of_litestar(error: HTTPException, request_id: str, meant: str = "") -> RequestError:
    """Translate an error of Litestar or of a plugin's route. The details of a 5xx go to the server log only.

    ``meant`` is the path that a client probably meant, if there is no path of the request's.
    """
    status = error.status_code
    code = HTTPStatus(status).phrase.lower().replace(" ", "_")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("request %s failed: %s", request_id, error.detail, exc_info=error)
        return RequestError(status, code, "The server could not do this.", headers=error.headers)
    if isinstance(error, ValidationException):
        return RequestError(status, "invalid_request", invalid_fields(error), headers=error.headers)
    if isinstance(error.__cause__, SerializationException):
        return RequestError(
            status, "invalid_json", f"The body is not valid JSON: {error.detail}.", headers=error.headers
        )
    detail = error.detail
    if isinstance(error, RequestEntityTooLarge):
        detail = "The body is larger than this path takes."
    elif isinstance(error, MethodNotAllowedException):
        detail = f"This path takes {(error.headers or {}).get('allow', 'other methods')} only."
    elif isinstance(error, NotFoundException) and detail == HTTPStatus.NOT_FOUND.phrase:
        detail = f"There is no such path. Did you mean {meant}?" if meant else "There is no such path."
    return RequestError(status, code, detail, headers=error.headers)
