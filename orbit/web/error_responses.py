"""Errors in the shape of the protocol that a request speaks."""

from __future__ import annotations

import traceback
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException, NotFoundException

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
    path = request.scope["path"]
    if isinstance(error, HTTPException):
        meant = _meant(request) if isinstance(error, NotFoundException) else ""
        error = of_litestar(error, request_id, meant and f"{request.scope.get('root_path', '')}{meant}")
        path = meant or path
    elif isinstance(error, RecursionError) and _while_reading(error):
        error = RequestError(400, "invalid_json", "The body is nested too deeply.")
    anthropics = path.startswith("/v1/models") and header(request.scope, b"anthropic-version") is not None
    if anthropics or path == MESSAGES or path.startswith(f"{MESSAGES}/"):
        return anthropic_errors.error_response(error, request_id)
    if path.startswith(RESPONSES):
        return responses_errors.error_response(error, request_id)
    respond = openai_errors.error_response if path.startswith("/v1/") or path in PATHS else problem_response
    return respond(error, request_id)


def _meant(request: Request[Any, Any, Any]) -> str:
    """Return the path that fits, if a client's base URL has a /v1 too few or too many; else an empty text."""
    path, known = request.scope["path"], {route.path for route in request.app.routes}
    others = (f"/v1{path}", path.removeprefix("/v1"))
    return "" if path in known else next((other for other in others if other in known), "")


def _while_reading(error: BaseException) -> bool:
    """Whether an exception comes from the JSON of a request's body."""
    return any(frame.f_code is Request.json.__code__ for frame, _ in traceback.walk_tb(error.__traceback__))
