"""The routes of messages: answers, and the size of a prompt in tokens."""

from __future__ import annotations

import time
from collections.abc import Awaitable
from typing import Any, Final

import msgspec
from litestar import Request, post
from litestar.types import ASGIApp, Receive, Scope, Send

from orbit.errors import OrbitError
from orbit.web.http.body import read_body
from orbit.web.http.operation import operation
from orbit.web.http.problems import RequestError
from orbit.web.http.request import request_id_of
from orbit.web.key_guard import admit, context_of, place_beside_chats
from orbit.web.services import Services
from orbit.web.wires.anthropic.errors import REQUEST_ID
from orbit.web.wires.anthropic.message_request import CountRequest, MessageProtocol, MessageRequest
from orbit.web.wires.route import chat_handler
from orbit.web.wires.sending import name_option

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
        identity = await admit(services, request.scope, protocol.secret(request.scope), services.admission)
        context = context_of(request.scope, identity, time.monotonic() + settings.timeouts.turn)
        question = protocol.question(await read_body(request.scope, request.receive, protocol.max_body))
        async with place_beside_chats(services, request.scope):
            if not question.is_complete:
                hosts, limit = settings.general.image_hosts, settings.limits.max_attached_bytes
                question = await question.completed(hosts, limit, identity.key.id)
            turn = question.turn(identity, context)
            model = services.host.catalogue.find(turn.model, identity.key.models)
            try:
                size = await services.pipeline.count_tokens(msgspec.structs.replace(turn, model=model))
            except OrbitError as error:
                name_option(error, question.sent_as)
                raise
        if size is None:
            detail = f"The model '{model}' cannot count tokens."
            raise RequestError(400, "unsupported_by_model", detail, param="model")
        return TokensCounted(size.prompt)

    return count_tokens
