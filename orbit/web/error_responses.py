"""Errors in the shape of the protocol that a request speaks."""

from __future__ import annotations

import traceback
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException

from orbit.web.http.problems import RequestError, of_litestar, problem_response
from orbit.web.http.request import header, request_id_of
from orbit.web.wires.anthropic import errors as anthropic_errors
from orbit.web.wires.anthropic.routes import MESSAGES
from orbit.web.wires.openai import errors as openai_errors
from orbit.web.wires.openai.rerank import PATHS
from orbit.web.wires.openai_responses import errors as responses_errors
from orbit.web.wires.openai_responses.routes import RESPONSES


def error_response(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Turn an exception of Litestar or of a handler into an error in the shape of the protocol."""
    request_id = request_id_of(request.scope)
    if isinstance(error, HTTPException):
        error = of_litestar(error, request_id)
    elif isinstance(error, RecursionError) and _while_reading(error):
        error = RequestError(400, "invalid_json", "The body is nested too deeply.")
    path = request.scope["path"]
    anthropics = path.startswith("/v1/models") and header(request.scope, b"anthropic-version") is not None
    if anthropics or path == MESSAGES or path.startswith(f"{MESSAGES}/"):
        return anthropic_errors.error_response(error, request_id)
    if path.startswith(RESPONSES):
        return responses_errors.error_response(error, request_id)
    respond = openai_errors.error_response if path.startswith("/v1/") or path in PATHS else problem_response
    return respond(error, request_id)


def _while_reading(error: BaseException) -> bool:
    """Whether an exception comes from the JSON of a request's body."""
    return any(frame.f_code is Request.json.__code__ for frame, _ in traceback.walk_tb(error.__traceback__))
