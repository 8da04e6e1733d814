"""The routes of messages: answers, and the size of a prompt in tokens."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Final

import msgspec
from litestar import Request, post
from litestar.types import ASGIApp, Receive, Scope, Send

from orbit.web.http.operation import operation
from orbit.web.http.request import request_id_of
from orbit.web.services import Services
from orbit.web.wires.anthropic.errors import REQUEST_ID
from orbit.web.wires.anthropic.message_request import CountRequest, MessageProtocol, MessageRequest
from orbit.web.wires.counting import counted
from orbit.web.wires.route import chat_handler

MESSAGES: Final = "/v1/messages"


class TokensCounted(msgspec.Struct, frozen=True):
    """The size of a prompt in tokens."""

    input_tokens: int


def message_handler(services: Services) -> ASGIApp:
    """Return what answers ``POST /v1/messages``."""
    settings = services.config.host
    protocol = MessageProtocol(MessageRequest, settings.limits, settings.general)
    answer = chat_handler(services, protocol)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        def sending(message: Any) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                header = (REQUEST_ID.encode(), request_id_of(scope).encode())
                message = {**message, "headers": [*message["headers"], header]}
            return send(message)

        await answer(scope, receive, sending)

    return serve


def counting_route(services: Services) -> Any:
    """Return the route that counts the tokens of a prompt."""
    settings = services.config.host
    protocol = MessageProtocol(CountRequest, settings.limits, settings.general)

    @post(
        "/count_tokens",
        status_code=200,
        operation_id="count_tokens",
        operation_class=operation(TokensCounted, CountRequest),
        summary="Count the tokens of a prompt",
    )
    async def count_tokens(request: Request[Any, Any, Any]) -> TokensCounted:
        return TokensCounted(await counted(services, protocol, request))

    return count_tokens
