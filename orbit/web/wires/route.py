"""The path of every request that a model answers, whatever protocol it came by."""

from __future__ import annotations

import time
from typing import Any, Protocol

from litestar.types import ASGIApp, Receive, Scope, Send

from orbit.auth.keys import Identity
from orbit.chat.turn import Turn
from orbit.types import CallContext
from orbit.web.http.body import read_body
from orbit.web.http.problems import RequestError, status_of
from orbit.web.http.request import request_id_of
from orbit.web.key_guard import admit, forgive, quota_headers, telling_quota
from orbit.web.services import Services
from orbit.web.wires.sending import Wire, send_stream, send_whole

CLIENT_LEFT = 499
"""What the access log and the metrics tell of a client that did not wait; nobody else uses the number."""


class Question(Protocol):
    """A request of a protocol, decoded and checked."""

    @property
    def stream(self) -> bool:
        """Whether the answer is wanted as a stream."""
        ...

    def turn(self, identity: Identity, context: CallContext) -> Turn:
        """The turn that it asks for. Raises RequestError."""
        ...

    def wire(self, request_id: str) -> Wire:
        """How its answer is written."""
        ...


class ChatProtocol(Protocol):
    """How a protocol carries keys, questions and errors."""

    def secret(self, scope: Scope) -> str | None:
        """The API key of a request."""
        ...

    def question(self, body: bytes) -> Question:
        """Decode a body. Raises RequestError with what is wrong and what is expected."""
        ...

    def refusal(self, error: Exception, request_id: str) -> ASGIApp:
        """The response to a request that cannot be answered."""
        ...


def chat_handler(services: Services, protocol: ChatProtocol) -> Any:
    """The ASGI handler of one protocol: key, limits, body, turn, answer."""
    settings = services.config.host

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        started = time.monotonic()
        request_id = request_id_of(scope)
        headers = [(b"x-request-id", request_id.encode())]
        try:
            if scope["method"] != "POST":  # type: ignore[typeddict-item]  # an HTTP scope has it
                raise RequestError(405, "method_not_allowed", "ask with POST.")
            identity = await admit(services, scope, protocol.secret(scope), services.pipeline.admission)
            headers += quota_headers(scope)
            question = protocol.question(await read_body(scope, receive, settings.limits.max_body_bytes))
            turn = question.turn(identity, _context(identity, request_id, scope, started + settings.timeouts.turn))
            events = services.conversations.answer(turn)
            wire = question.wire(request_id)
            ticker = services.pipeline.ticker
            if question.stream:
                sent = await send_stream(events, wire, headers, receive, send, ticker, settings.timeouts.ping)
            else:
                sent = await send_whole(events, wire, headers, receive, send, ticker)
            scope["state"]["status"] = 200 if sent.arrived else CLIENT_LEFT
            await forgive(services, scope, sent.error)
        except Exception as error:  # noqa: BLE001  # the last place where it can become an answer
            scope["state"]["status"] = status_of(error)
            await forgive(services, scope, error)
            await protocol.refusal(error, request_id)(scope, receive, telling_quota(scope, send))

    return handle


def _context(identity: Identity, request_id: str, scope: Scope, deadline: float) -> CallContext:
    key = identity.key
    client = scope.get("client")
    return CallContext(
        request_id=request_id,
        key_id=key.id,
        key_hint=key.hint,
        client_name=key.client_name,
        collection=key.collection_name,
        client_ip=client[0] if client else "",
        deadline=deadline,
    )
