"""Errors in OpenAI's shape, which make its clients raise the right exceptions."""

from __future__ import annotations

import msgspec
from litestar import Response

from orbit.web.http.problems import BEARER_CHALLENGE, as_strings, headers_of, parameter_of, problem_of
from orbit.web.wires.checks import ParameterError

__all__ = ["ErrorBody", "ErrorDetail", "ParameterError", "error_body", "error_response"]

_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
_CODES = {
    "unauthorized": "invalid_api_key",
    "rate_limited": "rate_limit_exceeded",
    "budget_exceeded": "insufficient_quota",
    "prompt_too_long": "context_length_exceeded",
}
_PARAMETERS = {"tokens": "input"}
"""Names of what is called otherwise in the plugin API, where no question has the client's own names."""


class ErrorDetail(msgspec.Struct, frozen=True):
    """A message, OpenAI's type of error, the parameter at fault, and a stable code."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorBody(msgspec.Struct, frozen=True):
    """An error in OpenAI's shape."""

    error: ErrorDetail


def error_body(error: BaseException, request_id: str) -> tuple[int, ErrorBody]:
    """Return the status and the body of an error."""
    problem = problem_of(error, request_id)
    status = problem.status
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")  # noqa: PLR2004  # HTTP's border
    code = _CODES.get(problem.code, problem.code)
    if code == "context_length_exceeded":
        status = 400  # OpenAI's status; its clients look for the code
    elif code == "insufficient_quota":
        kind = code
    param = parameter_of(error, _PARAMETERS)
    return status, ErrorBody(ErrorDetail(problem.detail, kind, param, code))


def error_response(error: BaseException, request_id: str) -> Response[ErrorBody]:
    """Return the response to a request under ``/v1`` that failed."""
    status, body = error_body(error, request_id)
    return Response(body, status_code=status, headers=as_strings(headers_of(error, status, BEARER_CHALLENGE)))
