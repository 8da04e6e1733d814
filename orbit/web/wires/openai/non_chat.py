"""Requests that need no place of a chat: their key, body and time, and what they share."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

import msgspec
from litestar import Request

from orbit.types import CallContext
from orbit.web.http.body import decode, read_body
from orbit.web.http.request import bearer
from orbit.web.key_guard import admit, charged, context_of, place_beside_chats
from orbit.web.services import Services
from orbit.web.wires.parameters import check_non_chat

A = TypeVar("A", bound="Answer")
T = TypeVar("T", bound=msgspec.Struct)


class Counted(Protocol):
    """The tokens of an answer, or words where nobody counts tokens."""

    @property
    def total_tokens(self) -> int:
        """All of them."""
        ...


class Answer(Protocol):
    """An answer that says what it has cost."""

    @property
    def usage(self) -> Counted:
        """What it has cost."""
        ...


async def answered(
    services: Services,
    request: Request[Any, Any, Any],
    decoder: msgspec.json.Decoder[T],
    expected: str,
    neutral: dict[str, tuple[Any, ...]],
    work: Callable[[T, CallContext], Awaitable[A]],
) -> A:
    """Admit a request by its key, hold one of the places beside chats, and answer its body by ``work``.

    ``neutral`` has parameters that would change the answer, with the values that do not.

    Raises Unauthorized, RateLimited, BudgetExceeded, Overloaded, DatabaseUnavailable or RequestError.
    """
    settings = services.config.host
    identity = await admit(services, request.scope, bearer(request.scope), services.admission)
    context = context_of(request.scope, identity, time.monotonic() + settings.timeouts.turn)
    body = await read_body(request.scope, request.receive, settings.limits.max_body_bytes)
    async with place_beside_chats(services, request.scope):
        asked = decode(body, decoder, expected)
        check_non_chat(body, frozenset(field.encode_name for field in msgspec.structs.fields(decoder.type)), neutral)
        async with charged(services, identity) as charge:
            answer = await work(asked, context)
            if charge is not None:
                charge.add(answer.usage.total_tokens)
            return answer


def words_of(texts: Sequence[str]) -> int:
    """Return the number of words, for the usage of providers that count no tokens."""
    return sum(len(text.split()) for text in texts)
