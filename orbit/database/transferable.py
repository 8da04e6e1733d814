"""What a copy of a database needs of it beyond what serving needs."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence

from orbit.database.budgets import DayCounts
from orbit.database.conversations import ConversationTurn
from orbit.database.keys import ApiKey
from orbit.database.prompts import SystemPrompt

SESSIONS = 100
"""Conversations in a page of a listing."""


class TransferRecords(abc.ABC):
    """What only a copy needs: records as they are, with their ids. Writing a record twice is harmless."""

    @abc.abstractmethod
    async def put_prompt(self, versions: Sequence[SystemPrompt]) -> None:
        """Write a prompt and its earlier versions, newest first. Raises DuplicatePrompt if another has its name."""

    @abc.abstractmethod
    async def put_key(self, key: ApiKey) -> None:
        """Write a key and its former secrets; its prompt must exist. Raises DuplicateKey."""

    @abc.abstractmethod
    async def session_ids(self, key_id: str, *, after: str = "") -> list[str]:
        """Return a page of the ids of a key's conversations after one, in order."""

    @abc.abstractmethod
    async def put_conversation(self, key_id: str, session_id: str, turns: Sequence[ConversationTurn]) -> None:
        """Replace the turns of a conversation."""

    @abc.abstractmethod
    async def request_counts(self, key_id: str) -> dict[int, int]:
        """Return the requests of a key that count against its limit, by second."""

    @abc.abstractmethod
    async def put_request_counts(self, key_id: str, counts: Mapping[int, int]) -> bool:
        """Replace the counts of a key. Return False if this database keeps none."""

    @abc.abstractmethod
    async def day_counts(self, key_id: str) -> DayCounts:
        """Return what counts against the budgets of a key, by day."""

    @abc.abstractmethod
    async def put_day_counts(self, key_id: str, counts: DayCounts) -> None:
        """Replace what counts against the budgets of a key."""
