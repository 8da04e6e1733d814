"""Conversations in MongoDB."""

from __future__ import annotations

from typing import Any

import msgspec
from beanie.operators import In
from typing_extensions import override

from orbit.database.conversations import ConversationTurn
from orbit.database.keys import UnknownKey
from orbit.database.mongodb.collections import MongoCollections, id_of
from orbit.database.mongodb.documents import TurnId

_LATEST_FIRST = ("-at", "-_id")


class MongoConversations(MongoCollections):
    """The conversations of a MongoDB database."""

    @override
    async def add_turn(
        self, key_id: str, session_id: str, turn: ConversationTurn, keep: int, replaces: int = 0
    ) -> None:
        with self._as_unavailable():
            added = await self._turns(key_id=key_id, session_id=session_id, **msgspec.to_builtins(turn)).insert()
            # After the insertion: whoever deletes a key deletes the key first, so that no turn is left over.
            if await self._keys.find_one({"_id": id_of(key_id)}) is None:
                await added.delete()
                raise UnknownKey
            latest = self._turns.find(_conversation(key_id, session_id)).sort(*_LATEST_FIRST).project(TurnId)
            ids = [turn.id for turn in await latest.to_list()]
            if old := ids[1 : 1 + replaces] + ids[1 + replaces :][keep - 1 :]:
                await self._turns.find(In(self._turns.id, old)).delete()

    @override
    async def conversation_turns(self, key_id: str, session_id: str, since: float) -> list[ConversationTurn]:
        query = {**_conversation(key_id, session_id), "at": {"$gt": since}}
        with self._as_unavailable():
            found = await self._turns.find(query).sort(*_LATEST_FIRST).to_list()
        return [turn.record() for turn in reversed(found)]

    @override
    async def delete_conversation(self, key_id: str, session_id: str) -> bool:
        return await self._delete_turns(_conversation(key_id, session_id)) > 0

    @override
    async def delete_conversations(self, key_id: str) -> int:
        return await self._delete_turns({"key_id": {"$eq": key_id}})

    @override
    async def forget_turns(self, before: float) -> int:
        return await self._delete_turns({"at": {"$lte": before}})

    async def _delete_turns(self, query: dict[str, Any]) -> int:
        with self._as_unavailable():
            deleted = await self._turns.find(query).delete()
        return deleted.deleted_count if deleted else 0


def _conversation(key_id: str, session_id: str) -> dict[str, Any]:
    """Return the query for the turns of a conversation."""
    return {"key_id": {"$eq": key_id}, "session_id": {"$eq": session_id}}
