"""The headers and the id of a request."""

from __future__ import annotations

import itertools
import re
import secrets
from typing import Any

from litestar.types import Scope

_HOST = re.compile(r"(?P<name>[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?")
_MAX_ID_CHARS = 200
_HEADERS = "headers"
"""The key in a request's state that holds the list of its headers, and these by name."""
_NONE: Any = (None, {})
_PROCESS = secrets.token_hex(8)
_count = itertools.count(1)
"""A random part for the process and a count for the request: ids are unique, and cost nothing."""


def header(scope: Scope, name: bytes) -> str | None:
    """Return the first value of a request header, named in lower case, or None."""
    state: dict[str, Any] = scope["state"]
    listed, headers = state.get(_HEADERS, _NONE)
    if listed is not scope["headers"]:  # a request within another one may have a copy of its state
        headers = dict(reversed(scope["headers"]))  # type: ignore[call-overload]  # a list in fact
        state[_HEADERS] = scope["headers"], headers
    value: bytes | None = headers.get(name)
    return None if value is None else value.decode("latin-1")


def bearer(scope: Scope) -> str | None:
    """Return the key in ``Authorization: Bearer``, or else in ``X-API-Key``."""
    authorization = header(scope, b"authorization") or ""
    scheme, _, secret = authorization.partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else header(scope, b"x-api-key")


def host_of(scope: Scope) -> re.Match[str] | None:
    """Return the host of a request, with the group ``name`` without the port; None if the header names none."""
    return _HOST.fullmatch(header(scope, b"host") or "")


def address_of(scope: Scope, root: str) -> str:
    """Return the address at which the client reaches the server, up to its path ``root``; empty if it is unknown."""
    host = host_of(scope)
    return f"{scope['scheme']}://{host[0]}{root}" if host else ""


def request_id_of(scope: Scope) -> str:
    """Return the client's ``X-Request-ID`` if it is safe to log, else a new id; always the same for one request."""
    state: dict[str, Any] = scope["state"]
    known: str | None = state.get("request_id")
    if known is None:
        known = state["request_id"] = _new_id(scope)
    return known


def _new_id(scope: Scope) -> str:
    given = header(scope, b"x-request-id")
    if given and len(given) <= _MAX_ID_CHARS and given.isascii() and given.isprintable():
        return given
    return f"{_PROCESS}{next(_count):08x}"
