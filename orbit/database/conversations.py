"""The turns of conversations, and the contract of their storage. A key and a ``session_id`` name a conversation."""

from __future__ import annotations

import abc

import msgspec

from orbit.types import Source


class ConversationTurn(msgspec.Struct, frozen=True):
    """A question of a conversation and its whole answer. ``at`` is when it was answered, in Unix seconds.

    ``detail`` is what else the protocol of the question keeps, in its own form; databases do not look into it.
    """

    question: str
    answer: str
    at: float
    sources: tuple[Source, ...] = ()
    detail: str = ""


class ConversationRecords(abc.ABC):
    """The conversations of a database."""

    @abc.abstractmethod
    async def add_turn(
        self, key_id: str, session_id: str, turn: ConversationTurn, keep: int, replaces: int = 0
    ) -> None:
        """Add a turn in place of the last ``replaces`` turns, and keep the last ``keep``. Raises UnknownKey."""

    @abc.abstractmethod
    async def conversation_turns(self, key_id: str, session_id: str, since: float) -> list[ConversationTurn]:
        """Return the turns answered after ``since``, oldest first."""

    @abc.abstractmethod
    async def delete_conversation(self, key_id: str, session_id: str) -> bool:
        """Delete a conversation; return False if there was none."""

    @abc.abstractmethod
    async def delete_conversations(self, key_id: str) -> int:
        """Delete all conversations of a key; return the number of their turns."""

    @abc.abstractmethod
    async def forget_turns(self, before: float) -> int:
        """Delete the turns of all conversations answered before a time; return their number."""
