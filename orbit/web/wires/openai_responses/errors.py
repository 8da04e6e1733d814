"""Errors of the Responses API: OpenAI's shape, with the names that parameters have there."""

from __future__ import annotations

from typing import Final

import msgspec
from litestar import Response

from orbit.web.wires.openai import errors
from orbit.web.wires.openai.errors import ErrorBody

_NAMES: Final = {"messages": "input", "response_format": "text.format"}
"""Names in checks that the protocol shares with chat completions."""


def error_body(error: BaseException, request_id: str) -> tuple[int, ErrorBody]:
    """Return the status and the body of an error."""
    status, body = errors.error_body(error, request_id)
    return status, _renamed(body)


def error_response(error: BaseException, request_id: str) -> Response[ErrorBody]:
    """Return the response to a request for a response that failed."""
    response = errors.error_response(error, request_id)
    response.content = _renamed(response.content)
    return response


def _renamed(body: ErrorBody) -> ErrorBody:
    param = body.error.param or ""
    return ErrorBody(msgspec.structs.replace(body.error, param=_NAMES.get(param, param) or None))
