"""Requests for the size of a prompt in tokens, whatever their protocol."""

from __future__ import annotations

import time
from typing import Any

import msgspec
from litestar import Request

from orbit.errors import OrbitError
from orbit.web.http.body import read_body
from orbit.web.http.problems import RequestError
from orbit.web.key_guard import admit, context_of, place_beside_chats
from orbit.web.services import Services
from orbit.web.wires.route import ChatProtocol
from orbit.web.wires.sending import name_option


async def counted(services: Services, protocol: ChatProtocol, request: Request[Any, Any, Any]) -> int:
    """Return the tokens of the prompt that a request would have, without passages.

    Raises RequestError, also if the model cannot count, and what admits a request.
    """
    settings = services.config.host
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
    return size.prompt
