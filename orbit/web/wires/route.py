"""The path of every chat request, whatever its protocol."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from functools import partial
from typing import Protocol

import msgspec
from litestar.types import ASGIApp, Receive, Scope, Send

from orbit.auth.budgets import BudgetExceeded
from orbit.auth.keys import Identity
from orbit.chat.batch import AT_ONCE, Answer, BatchEvent, answer_batch
from orbit.chat.charging import settled
from orbit.chat.outcome import Event
from orbit.chat.turn import Turn
from orbit.types import CallContext
from orbit.web.http.access import SERVER_SEND
from orbit.web.http.body import read_body
from orbit.web.http.request import address_of
from orbit.web.key_guard import admit, admit_prompts, context_of, forgive
from orbit.web.services import Services
from orbit.web.wires.page_tasks import TASK_MODEL, task_of
from orbit.web.wires.sending import Wire, name_option, send_stream, send_whole

CLIENT_LEFT = 499
"""nginx's status for a client that closed the connection, for the access log and the metrics."""


class Question(Protocol):
    """A request of a protocol, decoded and checked."""

    @property
    def stream(self) -> bool:
        """Whether the client wants a stream."""
        ...

    @property
    def others(self) -> Sequence[str]:
        """The prompts beside the turn's question, each for a turn of its own like it."""
        ...

    @property
    def is_complete(self) -> bool:
        """Whether nothing has to be fetched or looked up for it."""
        ...

    async def completed(self, hosts: Sequence[str], limit: int, key_id: str) -> Question:
        """Return it with what it names: addresses on ``hosts``, of up to ``limit`` bytes, and responses of its key.

        Raises RequestError or UnknownResponse.
        """
        ...

    def turn(self, identity: Identity, context: CallContext) -> Turn:
        """Return the turn that the request asks for, its model as the client names it. Raises RequestError."""
        ...

    def sent_as(self, option: str) -> str:
        """Return the field in which the client sent an option of the plugin API."""
        ...

    def wire(self, request_id: str) -> Wire:
        """Return the wire that writes the answer."""
        ...


class ChatProtocol(Protocol):
    """How a protocol carries keys and questions. ``max_body`` is its largest body, in bytes."""

    max_body: int

    def secret(self, scope: Scope) -> str | None:
        """Return the API key of a request."""
        ...

    def question(self, body: bytes) -> Question:
        """Decode a body. Raises RequestError with the mistake and the expected form."""
        ...


def chat_handler(services: Services, protocol: ChatProtocol) -> ASGIApp:
    """Return the ASGI application of one protocol: key, limits, body, turn, answer.

    Litestar routes to it and turns what it raises into responses. The application reads the body up to its own limit,
    watches the connection while the model works, and sends frames itself.
    """
    settings, models = services.config.host, services.host.catalogue

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        started = time.monotonic()
        sent_as: Callable[[str], str] = str
        try:
            identity = await admit(services, scope, protocol.secret(scope), services.pipeline.admission)
            question = protocol.question(await read_body(scope, receive, protocol.max_body))
            sent_as = question.sent_as
            if not question.is_complete:
                hosts, limit = settings.general.image_hosts, settings.limits.max_attached_bytes
                question = await question.completed(hosts, limit, identity.key.id)
            turn = question.turn(identity, context_of(scope, identity, started + settings.timeouts.turn))
            task = task_of(scope, turn)
            if task:
                turn = msgspec.structs.replace(turn, task=task, model="" if turn.model == TASK_MODEL else turn.model)
            allowed = identity.key.models
            if turn.model or allowed:
                turn = msgspec.structs.replace(turn, model=models.find(turn.model, allowed), models=allowed)
            if settings.documents.serve:  # the answer's sources get links
                turn = msgspec.structs.replace(turn, address=address_of(scope, settings.general.root))
            paid, others = partial(_paid, services, identity), question.others
            events = await _batch(services, scope, paid, turn, others) if others else await paid(turn)
            wire = question.wire(turn.context.request_id)
            wire.numbered = task is not None
            wire.sent_as = sent_as
            ticker = services.pipeline.ticker
            if question.stream:
                frames: Send = scope["state"][SERVER_SEND]
                sent = await send_stream(events, wire, receive, send, frames, ticker, settings.timeouts.ping)
            else:
                sent = await send_whole(events, wire, receive, send, ticker)
        except Exception as error:
            name_option(error, sent_as)
            await forgive(services, scope, error)
            raise
        if sent.error is not None:
            await forgive(services, scope, sent.error)
        if not sent.arrived:
            scope["state"]["status"] = CLIENT_LEFT

    return answer


async def _batch(
    services: Services, scope: Scope, paid: Answer, turn: Turn, others: Sequence[str]
) -> AsyncGenerator[BatchEvent, None]:
    """Return the events of a turn and of others like it, each with a deadline, a charge and a record of its own.

    Raises RateLimited, and RequestError for more prompts than the key may ever send.
    """
    await admit_prompts(services, scope, len(others))
    context = msgspec.structs.replace(turn.context, deadline=None)
    prompts = [turn.question, *others]
    turns = [msgspec.structs.replace(turn, question=prompt, context=context) for prompt in prompts]
    return answer_batch(turns, paid, min(AT_ONCE, services.config.host.limits.max_concurrent))


async def _paid(services: Services, identity: Identity, turn: Turn) -> AsyncGenerator[Event, None]:
    """Return the events of a turn, which the key's budgets pay for. Raises BudgetExceeded; the chat log has it too."""
    if identity.budgets is None:
        return services.conversations.answer(turn)
    try:
        charge = await services.ledger.admit(identity.key, identity.budgets)
    except BudgetExceeded as error:
        services.pipeline.refused(turn, error)
        raise
    return settled(services.conversations.answer(msgspec.structs.replace(turn, charge=charge)), charge)
