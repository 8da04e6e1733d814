"""Conversations: the earlier turns of a session precede its next question.

A session belongs to the API key that began it. For every other key it does not exist.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Self

import msgspec

from orbit.chat.history.responses import Responses
from orbit.chat.history.storing import store
from orbit.chat.outcome import Ending, Event, Refused
from orbit.chat.pipeline import Pipeline
from orbit.chat.turn import Turn, in_time
from orbit.config.model import SessionsSettings
from orbit.database.base import Database
from orbit.database.conversations import ConversationTurn
from orbit.errors import OrbitError
from orbit.types import Message

logger = logging.getLogger("orbit.conversations")

_SWEEP_SECONDS = 600.0
_WITHOUT_WORDS = "[image]"
"""What is kept of a question without words: models refuse an empty message."""


class UnknownConversation(OrbitError):
    """The key has no session with this id: it never existed, was deleted, or has expired."""

    code = "unknown_session"

    client = "There is no such session, or it has expired."

    def __init__(self) -> None:
        super().__init__("there is no such session, or its time is over (sessions.ttl).")


class Conversations:
    """Runs the turns of sessions, stores them in the database, and deletes them when they expire."""

    def __init__(self, database: Database, settings: SessionsSettings, pipeline: Pipeline) -> None:
        self._database = database
        self._settings = settings
        self._pipeline = pipeline
        self.responses = Responses(database, settings, pipeline)

    async def __aenter__(self) -> Self:
        self._sweeper = asyncio.create_task(self._sweep(), name="forget old turns")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._sweeper.cancel()
        await asyncio.wait([self._sweeper])

    def answer(self, turn: Turn) -> AsyncGenerator[Event, None]:
        """Answer a turn with the history of its session, ``turn.context.session_id``. See ``Pipeline.answer``.

        A complete answer is stored before the Answer event, so that the next question finds it.
        """
        if turn.keeping is not None:
            return self.responses.answer(turn)
        session_id = turn.context.session_id
        if session_id is None or not self._settings.enabled:
            return self._pipeline.answer(turn)
        return self._remembering(turn, session_id)

    async def turns(self, key_id: str, session_id: str) -> list[ConversationTurn]:
        """Return the stored turns of a session, oldest first. Raises UnknownConversation."""
        found = await self._load(key_id, session_id) if self._settings.enabled else []
        if not found:
            raise UnknownConversation
        return found

    async def delete(self, key_id: str, session_id: str) -> None:
        """Delete a session. Raises UnknownConversation."""
        if not await self._database.delete_conversation(key_id, session_id):
            raise UnknownConversation

    async def _remembering(self, turn: Turn, session_id: str) -> AsyncGenerator[Event, None]:
        earlier = await in_time(turn.context, self._load(turn.context.key_id, session_id), self._pipeline.ticker)
        if turn.replaces:
            earlier = earlier[: -turn.replaces]
        turn = msgspec.structs.replace(turn, history=history_of(earlier, self._settings.max_chars))
        text: list[str] = []
        async with aclosing(self._pipeline.answer(turn)) as events:
            async for event in events:
                if isinstance(event, str):
                    text.append(event)
                    yield event
                elif not isinstance(event, Ending):
                    yield event
                else:
                    kept = not isinstance(event, Refused) and await self._keep(turn, session_id, "".join(text), event)
                    yield msgspec.structs.replace(event, remembered=kept)

    async def _load(self, key_id: str, session_id: str) -> list[ConversationTurn]:
        return await self._database.conversation_turns(key_id, session_id, time.time() - self._settings.ttl)

    async def _keep(self, turn: Turn, session_id: str, text: str, ending: Ending) -> bool:
        """Store an answered turn. Returns whether it was stored: a database error must not spoil the answer.

        Answers without text, which a client's ``stop`` can cause, are left out: models refuse empty messages.
        """
        answer = text + ending.text
        if not answer.strip() or ending.tool_calls:  # the answer follows when the tools have returned
            return False
        kept = ConversationTurn(
            turn.question if turn.question.strip() else _WITHOUT_WORDS, answer, time.time(), ending.sources
        )
        adding = self._database.add_turn(turn.context.key_id, session_id, kept, self._settings.max_turns, turn.replaces)
        return await store(turn, adding, self._pipeline.ticker, "a turn of a session is not remembered")

    async def _sweep(self) -> None:
        """Delete expired turns again and again. If sessions are disabled, delete all stored turns once."""
        settings = self._settings
        while True:
            try:
                await self._database.forget_turns(time.time() - (settings.ttl if settings.enabled else 0))
            except OrbitError as error:
                logger.warning("turns of sessions whose time is over are not forgotten yet: %s", error)
            else:
                if not settings.enabled:
                    return
            await asyncio.sleep(min(_SWEEP_SECONDS, settings.ttl))


def history_of(turns: Sequence[ConversationTurn], max_chars: int) -> tuple[Message, ...]:
    """Return the last turns as messages: always the newest, and earlier ones up to ``max_chars`` in total."""
    messages: list[Message] = []
    chars = 0
    for turn in reversed(turns):
        if not turn.answer.strip():
            continue  # an earlier version stored these; services refuse an empty message
        chars += len(turn.question) + len(turn.answer)
        if messages and chars > max_chars:
            break
        messages += [Message("assistant", turn.answer), Message("user", turn.question)]
    return tuple(reversed(messages))
