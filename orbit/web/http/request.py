"""The headers and the id of a request."""

from __future__ import annotations

import itertools
import secrets
from typing import Any

from litestar.types import Scope

_MAX_ID_CHARS = 200
_PROCESS = secrets.token_hex(8)
_count = itertools.count(1)
"""A random part for the process and a count for the request: ids are unique, and cost nothing."""


def header(scope: Scope, name: bytes) -> str | None:
    """Return the value of a request header, named in lower case, or None."""
    for key, value in scope["headers"]:
        if key == name:
            return value.decode("latin-1")
    return None


def request_id_of(scope: Scope) -> str:
    """Return the client's ``X-Request-ID`` if it is safe to log, else a new id; always the same for one request."""
    state: dict[str, Any] = scope["state"]
    if "request_id" not in state:
        state["request_id"] = _new_id(scope)
    return str(state["request_id"])


def _new_id(scope: Scope) -> str:
    given = header(scope, b"x-request-id")
    if given and len(given) <= _MAX_ID_CHARS and given.isascii() and given.isprintable():
        return given
    return f"{_PROCESS}{next(_count):08x}"
