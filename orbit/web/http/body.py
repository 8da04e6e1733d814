"""Reads and decodes the body of a request, with errors that say what is wrong."""

from __future__ import annotations

import re
from typing import Final, TypeVar

import msgspec
from litestar.types import Receive, Scope

from orbit.web.http.problems import RequestError
from orbit.web.http.request import header

UPLOAD_PIECE = "upload_piece"
"""The key in a request's state for the last piece of an upload, whose time limit applies to each piece."""


T = TypeVar("T")
_PLACE: Final = re.compile(r" - at (?:`key` in )?`\$\.?([^`]+)`$")
_FIELD: Final = re.compile(r"Object (?:missing required|contains unknown) field `([^`]+)`")


def decode(body: bytes, decoder: msgspec.json.Decoder[T], expected: str) -> T:
    """Decode a JSON body. Raises RequestError with the mistake, followed by ``expected``."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise RequestError(400, "invalid_request", f"{error}. {expected}", param=place_of(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RequestError(400, "invalid_json", f"The body is not valid JSON: {error}. {expected}") from error
    except RecursionError as error:
        raise RequestError(400, "invalid_json", f"The body is nested too deeply. {expected}") from error


def place_of(error: msgspec.ValidationError) -> str:
    """Return the place that a mistake names, such as ``messages[0].role``; empty if it names none."""
    mistake = str(error)
    place = found[1] if (found := _PLACE.search(mistake)) else ""
    field = found[1] if (found := _FIELD.match(mistake)) else ""
    return ".".join(filter(None, [place, field]))


def check_length(message: str, limit: int) -> None:
    """Raise RequestError with 413 if a message is too long."""
    if len(message) > limit:
        detail = f"The message has {len(message)} characters; at most {limit} are allowed."
        raise RequestError(413, "message_too_long", detail)


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """Read the request's body. Raises RequestError with 413 as soon as it is longer than ``limit`` bytes."""
    length = header(scope, b"content-length")
    if length is not None and length.isdecimal() and int(length) > limit:
        raise _too_large(limit)
    parts: list[bytes] = []
    size, more = 0, True
    while more and size <= limit:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RequestError(400, "incomplete_body", "The connection was closed before the whole body had arrived.")
        body: bytes = message.get("body", b"")  # type: ignore[assignment]  # a request has bytes
        parts.append(body)
        size += len(body)
        more = bool(message.get("more_body"))
    if size > limit:  # a body of unknown length may arrive in one piece
        raise _too_large(limit)
    return b"".join(parts)


def _too_large(limit: int) -> RequestError:
    return RequestError(413, "body_too_large", f"The body is larger than {limit} bytes.")
