"""What every request has: headers and an id."""

from __future__ import annotations

import itertools
import secrets
from typing import Any

from litestar.types import Scope

_MAX_ID_CHARS = 200
_PROCESS = secrets.token_hex(8)
_count = itertools.count(1)
"""Together they make request ids that are unique and cost nothing: the process by chance, the request by number."""


def header(scope: Scope, name: bytes) -> str | None:
    """The value of a request header, by its name in lower case, or None."""
    for key, value in scope["headers"]:
        if key == name:
            return value.decode("latin-1")
    return None


def request_id_of(scope: Scope) -> str:
    """The client's ``X-Request-ID`` if it is fit to be logged, else a new one; the same each time it is asked."""
    state: dict[str, Any] = scope["state"]
    if "request_id" not in state:
        state["request_id"] = _new_id(scope)
    return str(state["request_id"])


def request_id_header(scope: Scope) -> tuple[bytes, bytes]:
    """The header that tells the request's id, for the response."""
    return (b"x-request-id", request_id_of(scope).encode())


def _new_id(scope: Scope) -> str:
    given = header(scope, b"x-request-id")
    if given and len(given) <= _MAX_ID_CHARS and given.isascii() and given.isprintable():
        return given
    return f"{_PROCESS}{next(_count):08x}"
