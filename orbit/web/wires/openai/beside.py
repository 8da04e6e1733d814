"""Requests that need no place of a chat: their key, body and time, and what they share."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import msgspec
from litestar import Request

from orbit.types import CallContext
from orbit.web.http.body import decode, read_body
from orbit.web.http.request import bearer
from orbit.web.key_guard import admit, context_of, place_beside_chats
from orbit.web.services import Services

T = TypeVar("T")


@asynccontextmanager
async def decoded(
    services: Services, request: Request[Any, Any, Any], decoder: msgspec.json.Decoder[T], expected: str
) -> AsyncGenerator[tuple[T, CallContext], None]:
    """Admit a request by its key, hold one of the places beside chats, and give its body and context.

    Raises Unauthorized, RateLimited, Overloaded, DatabaseUnavailable or RequestError.
    """
    settings = services.config.host
    identity = await admit(services, request.scope, bearer(request.scope), services.admission)
    context = context_of(request.scope, identity, time.monotonic() + settings.timeouts.turn)
    body = await read_body(request.scope, request.receive, settings.limits.max_body_bytes)
    async with place_beside_chats(services, request.scope):
        yield decode(body, decoder, expected), context


def words_of(texts: Sequence[str]) -> int:
    """Return the number of words, for the usage of providers that count no tokens."""
    return sum(len(text.split()) for text in texts)
