"""``/chat/sessions``: the remembered conversations of a key."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, Router, delete, get
from litestar.params import PathParameter

from orbit.database.conversations import ConversationTurn
from orbit.types import Role, Source
from orbit.web.key_guard import guarded_router, identity_of, place_beside_chats
from orbit.web.services import Services

SessionId = Annotated[str, PathParameter(description="The session's id, as it was sent with `/chat`.")]


class SessionMessage(msgspec.Struct, frozen=True):
    """A question (role ``user``) or an answer (``assistant``), with the sources of the answer.

    ``timestamp`` is the time of the answer, in Unix seconds.
    """

    role: Role
    text: str
    timestamp: float
    sources: tuple[Source, ...] = ()


class Session(msgspec.Struct, frozen=True):
    """The remembered messages of a conversation, oldest first."""

    session_id: str
    turns: list[SessionMessage]


def conversation_routes(services: Services) -> Router:
    """Return the routes that show and delete a conversation of the caller's own key."""

    @get("/{session_id:path}", summary="What a session remembers, oldest first")
    async def show_session(request: Request[Any, Any, Any], session_id: SessionId) -> Response[Session]:
        name = session_id.removeprefix("/")
        async with place_beside_chats(services, request.scope):
            turns = await services.conversations.turns(identity_of(request).key.id, name)
        messages = [message for turn in turns for message in _messages(turn)]
        return Response(Session(name, messages), headers={"Cache-Control": "no-store"})

    @delete("/{session_id:path}", summary="Forget a session")
    async def delete_session(request: Request[Any, Any, Any], session_id: SessionId) -> None:
        async with place_beside_chats(services, request.scope):
            await services.conversations.delete(identity_of(request).key.id, session_id.removeprefix("/"))

    return guarded_router(services, "/chat/sessions", [show_session, delete_session], tags=["chat"])


def _messages(turn: ConversationTurn) -> tuple[SessionMessage, SessionMessage]:
    return (
        SessionMessage("user", turn.question, turn.at),
        SessionMessage("assistant", turn.answer, turn.at, turn.sources),
    )
