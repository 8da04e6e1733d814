"""Conversations in SQLite."""

from __future__ import annotations

import msgspec
from typing_extensions import override

from orbit.database.conversations import ConversationTurn
from orbit.database.keys import UnknownKey
from orbit.database.sqlite.connections import SqliteConnections
from orbit.types import Source

ADD_TURN = """
    INSERT INTO session_turns (key_id, session_id, question, answer, at, sources, detail)
    SELECT :key, :session, :question, :answer, :at, :sources, :detail
    WHERE EXISTS (SELECT 1 FROM api_keys WHERE id = :key)
"""
TRIM_CONVERSATION = """
    DELETE FROM session_turns WHERE key_id = :key AND session_id = :session AND id <= (
        SELECT id FROM session_turns WHERE key_id = :key AND session_id = :session ORDER BY id DESC LIMIT 1 OFFSET :keep
    )
"""
REPLACE_TURNS = """
    DELETE FROM session_turns WHERE id IN (
        SELECT id FROM session_turns WHERE key_id = :key AND session_id = :session
        ORDER BY id DESC LIMIT :replaces OFFSET 1
    )
"""
"""Single statements, which do not wait for the disk: a power cut may cost a turn."""

_sources = msgspec.json.Decoder(tuple[Source, ...])


class SqliteConversations(SqliteConnections):
    """The conversations of a SQLite database."""

    @override
    async def add_turn(
        self, key_id: str, session_id: str, turn: ConversationTurn, keep: int, replaces: int = 0
    ) -> None:
        where = {"key": key_id, "session": session_id}
        values = {**msgspec.structs.asdict(turn), "sources": msgspec.json.encode(turn.sources)}
        if not await self._changed_rows(ADD_TURN, {**where, **values}):
            raise UnknownKey
        if replaces:
            await self._changed_rows(REPLACE_TURNS, {**where, "replaces": replaces})
        await self._changed_rows(TRIM_CONVERSATION, {**where, "keep": keep})

    @override
    async def conversation_turns(self, key_id: str, session_id: str, since: float) -> list[ConversationTurn]:
        rows = await self._rows(
            "SELECT question, answer, at, sources, detail FROM session_turns"
            " WHERE key_id = ? AND session_id = ? AND at > ? ORDER BY id",
            (key_id, session_id, since),
        )
        return [
            ConversationTurn(question, answer, at, _sources.decode(sources), detail)
            for question, answer, at, sources, detail in rows
        ]

    @override
    async def delete_conversation(self, key_id: str, session_id: str) -> bool:
        sql = "DELETE FROM session_turns WHERE key_id = :key AND session_id = :session"
        return await self._changed_rows(sql, {"key": key_id, "session": session_id}) > 0

    @override
    async def delete_conversations(self, key_id: str) -> int:
        return await self._changed_rows("DELETE FROM session_turns WHERE key_id = :key", {"key": key_id})

    @override
    async def forget_turns(self, before: float) -> int:
        return await self._changed_rows("DELETE FROM session_turns WHERE at <= :before", {"before": before})
