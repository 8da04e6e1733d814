"""Conversations in MongoDB."""

from __future__ import annotations

from typing import Any

from typing_extensions import override

from orbit.database.conversations import ConversationTurn
from orbit.database.keys import UnknownKey
from orbit.database.mongodb.collections import MongoCollections, id_of
from orbit.database.mongodb.documents import turn_fields

_LATEST_FIRST = [("at", -1), ("_id", -1)]


class MongoConversations(MongoCollections):
    """The part of the database that keeps conversations."""

    @override
    async def add_turn(self, key_id: str, session_id: str, turn: ConversationTurn, keep: int) -> None:
        collection = self._turns.get_pymongo_collection()
        session = _session(key_id, session_id)
        with self._as_unavailable():
            added = await collection.insert_one(turn_fields(key_id, session_id, turn))
            # Looked for after the insertion: whoever deletes a key deletes the key first, so that no turn is left over.
            if await self._keys.find_one({"_id": id_of(key_id)}) is None:
                await collection.delete_one({"_id": added.inserted_id})
                raise UnknownKey
            surplus = collection.find(session, {"_id": 1}).sort(_LATEST_FIRST).skip(keep)
            if old := [document["_id"] async for document in surplus]:
                await collection.delete_many({"_id": {"$in": old}})

    @override
    async def conversation_turns(self, key_id: str, session_id: str, since: float) -> list[ConversationTurn]:
        query = {**_session(key_id, session_id), "at": {"$gt": since}}
        with self._as_unavailable():
            found = await self._turns.find(query).sort(_LATEST_FIRST).to_list()
        return [document.record() for document in reversed(found)]

    @override
    async def delete_conversation(self, key_id: str, session_id: str) -> bool:
        with self._as_unavailable():
            result = await self._turns.get_pymongo_collection().delete_many(_session(key_id, session_id))
        return bool(result.deleted_count)

    @override
    async def forget_turns(self, before: float) -> int:
        with self._as_unavailable():
            result = await self._turns.get_pymongo_collection().delete_many({"at": {"$lte": before}})
        return int(result.deleted_count)


def _session(key_id: str, session_id: str) -> dict[str, Any]:
    """The turns of a session."""
    return {"key_id": {"$eq": key_id}, "session_id": {"$eq": session_id}}
