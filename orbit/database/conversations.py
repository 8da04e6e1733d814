"""Conversations: a session belongs to the key that it was begun with, and is named by both."""

from __future__ import annotations

import abc

import msgspec

from orbit.types import Source


class ConversationTurn(msgspec.Struct, frozen=True):
    """A question of a conversation and its whole answer. ``at`` is when it was answered, in Unix seconds."""

    question: str
    answer: str
    at: float
    sources: tuple[Source, ...] = ()


class ConversationRecords(abc.ABC):
    """The part of a database that keeps the turns of sessions."""

    @abc.abstractmethod
    async def add_turn(self, key_id: str, session_id: str, turn: ConversationTurn, keep: int) -> None:
        """Add a turn to a session, of which the last ``keep`` turns stay. Raises UnknownKey."""

    @abc.abstractmethod
    async def conversation_turns(self, key_id: str, session_id: str, since: float) -> list[ConversationTurn]:
        """The turns of a session that were answered after ``since``, oldest first."""

    @abc.abstractmethod
    async def delete_conversation(self, key_id: str, session_id: str) -> bool:
        """Forget a session; False if there was none."""

    @abc.abstractmethod
    async def forget_turns(self, before: float) -> int:
        """Forget the turns of all sessions that were answered before a time; how many there were."""
