"""Errors in the form of Anthropic's API, which make its clients raise the right exceptions."""

from __future__ import annotations

import re
from typing import Final

import msgspec
from litestar import Response

from orbit.web.http.problems import BEARER_CHALLENGE, as_strings, headers_of, parameter_of, problem_of

REQUEST_ID: Final = "request-id"
"""The header in which Anthropic's clients look for the id of a request."""
_TYPES: Final = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_INDEX: Final = re.compile(r"\[(\d+)\]")
_SERVER_ERRORS: Final = 500
_OVERLOADED: Final = 529
_TOO_LONG: Final = "prompt is too long: "
"""How Anthropic's message begins. Clients look for it, to shorten their conversation."""


class MessageErrorDetails(msgspec.Struct, frozen=True):
    """ORBIT's code of the error, and the parameter at fault."""

    error_code: str
    param: str | None = None


class MessageError(msgspec.Struct, frozen=True):
    """Anthropic's type of error, and a message."""

    type: str
    message: str
    details: MessageErrorDetails


class MessageErrorBody(msgspec.Struct, frozen=True):
    """An error in the form of Anthropic's API."""

    error: MessageError
    request_id: str
    type: str = "error"


def error_body(error: BaseException, request_id: str) -> tuple[int, MessageErrorBody]:
    """Return the status and the body of an error. A parameter at fault precedes the message, as Anthropic writes it."""
    problem = problem_of(error, request_id)
    status, code, message = problem.status, problem.code, problem.detail
    if code == "prompt_too_long":
        status, message = 400, _TOO_LONG + message
    elif code in ("overloaded", "provider_overloaded"):
        status = _OVERLOADED
    param = parameter_of(error)
    if param is not None:
        param = _INDEX.sub(r".\1", param)  # msgspec and OpenAI write messages[0].role
    if param is not None and f"'{param}'" not in message:
        message = f"{param}: {message}"
    kind = _TYPES.get(status, "api_error" if status >= _SERVER_ERRORS else "invalid_request_error")
    return status, MessageErrorBody(MessageError(kind, message, MessageErrorDetails(code, param)), request_id)


def error_response(error: BaseException, request_id: str) -> Response[MessageErrorBody]:
    """Return the response to a request for a message that failed."""
    status, body = error_body(error, request_id)
    headers = {**as_strings(headers_of(error, status, BEARER_CHALLENGE)), REQUEST_ID: request_id}
    return Response(body, status_code=status, headers=headers)
