"""Stored responses: answers that later requests name by their ids, to go on with them or to read them again.

Each is a conversation of its own in the database, with the id of the response, and knows the one before it. So two
requests can go on with the same response. A response belongs to the API key that asked for it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import msgspec

from orbit.chat.answer.parts import AnswerPart, AnswerParts, text_of
from orbit.chat.answer.thoughts import signed
from orbit.chat.history.storing import store
from orbit.chat.outcome import Ending, Event, Refused
from orbit.chat.pipeline import Pipeline
from orbit.chat.turn import Keeping, Turn
from orbit.config.model import SessionsSettings
from orbit.database.base import Database
from orbit.database.conversations import ConversationTurn
from orbit.errors import OrbitError
from orbit.types import Message

logger = logging.getLogger("orbit.conversations")

PREFIX = "resp_"
_LONGEST_CHAIN = 1000
"""Responses that are read to find the questions before one."""
_LARGEST = 8_000_000
"""Bytes of a stored response: a record of MongoDB holds 16 MiB, and its answer and sources are in it twice."""


class UnknownResponse(OrbitError):
    """The key has no stored response with this id: it never existed, was not stored, was deleted, or has expired."""

    code = "response_not_found"

    def __init__(self, response_id: str) -> None:
        self.client = f"There is no response '{response_id[:100]}': it was not stored, was deleted, or has expired."
        super().__init__(self.client)


class StoredResponse(msgspec.Struct, frozen=True):
    """A response as the database keeps it, beside its question and answer. See ``Keeping``."""

    previous: str
    first: str
    messages: tuple[Message, ...]
    body: msgspec.Raw


_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(StoredResponse)


class Responses:
    """Reads, stores and deletes responses. ``enabled`` is False if the operator keeps no conversations."""

    def __init__(self, database: Database, settings: SessionsSettings, pipeline: Pipeline) -> None:
        self.enabled = settings.enabled
        self._database = database
        self._settings = settings
        self._pipeline = pipeline

    async def get(self, key_id: str, response_id: str) -> StoredResponse:
        """Return a stored response. Raises UnknownResponse."""
        if self.enabled and response_id.startswith(PREFIX):
            since = time.time() - self._settings.ttl
            for turn in await self._database.conversation_turns(key_id, response_id, since):
                if turn.detail:
                    return _decoder.decode(turn.detail)
        raise UnknownResponse(response_id)

    async def delete(self, key_id: str, response_id: str) -> None:
        """Delete a response; those that went on with it stay. Raises UnknownResponse."""
        if not (response_id.startswith(PREFIX) and await self._database.delete_conversation(key_id, response_id)):
            raise UnknownResponse(response_id)

    async def history(self, key_id: str, response_id: str) -> tuple[StoredResponse, tuple[Message, ...]]:
        """Return a response, and the messages up to it, oldest first, within the limits of sessions.

        The last question is always among them, with all that followed. Raises UnknownResponse.
        """
        last = stored = await self.get(key_id, response_id)
        chain = [last.messages]
        questions, chars = _questions(last.messages), _chars(last.messages)
        while stored.previous and len(chain) < _LONGEST_CHAIN:
            if questions and (questions >= self._settings.max_turns or chars > self._settings.max_chars):
                break
            try:
                stored = await self.get(key_id, stored.previous)
            except UnknownResponse:  # deleted or expired: the conversation begins after it
                break
            chain.append(stored.messages)
            questions += _questions(stored.messages)
            chars += _chars(stored.messages)
        messages = [message for part in reversed(chain) for message in part]
        while messages and messages[0].role not in ("user", "system"):
            del messages[0]  # what it belongs to is gone
        return last, tuple(messages)

    async def answer(self, turn: Turn) -> AsyncGenerator[Event, None]:
        """Answer a turn and store it before its ending. See ``Pipeline.answer``."""
        parts = AnswerParts()
        assert turn.keeping is not None
        async with aclosing(self._pipeline.answer(turn)) as events:
            async for event in events:
                parts.add(event)
                if isinstance(event, Ending):
                    event = await self._kept(turn, turn.keeping, parts.all(), event)  # noqa: PLW2901  # the same event
                yield event

    async def _kept(self, turn: Turn, keeping: Keeping, parts: Sequence[AnswerPart], ending: Ending) -> Ending:
        """Store a turn. Returns its ending, which says whether that worked: a database error spoils no answer."""
        kept = msgspec.structs.replace(ending, remembered=True)
        answer = text_of(parts)
        messages: tuple[Message, ...] = ()
        if not isinstance(ending, Refused):  # a conversation goes on as if the refused question had not been asked
            thoughts = signed(ending.thoughts) if ending.tool_calls else ()
            said = Message("assistant", answer, tool_calls=ending.tool_calls, thoughts=thoughts)
            messages = (*keeping.messages, said) if answer.strip() or ending.tool_calls else ()
        stored = StoredResponse(keeping.previous, keeping.first, messages, msgspec.Raw(keeping.body(parts, kept)))
        question, answer = (turn.question, answer) if messages else ("", "")
        detail = _encode(stored)
        if len(detail) > _LARGEST:
            logger.warning("a response is not stored: with its images and files it has %d bytes", len(detail))
            return ending
        record = ConversationTurn(question, answer, time.time(), ending.sources, detail.decode())
        adding = self._database.add_turn(turn.context.key_id, keeping.id, record, 1)
        return kept if await store(turn, adding, self._pipeline.ticker, "a response is not stored") else ending


def _questions(messages: tuple[Message, ...]) -> int:
    return sum(message.role == "user" for message in messages)


def _chars(messages: tuple[Message, ...]) -> int:
    return sum(len(message.content) for message in messages)
