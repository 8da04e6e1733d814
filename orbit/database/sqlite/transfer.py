"""Writing records as they are to SQLite, and reading what only a copy needs."""

# ruff: noqa: S608 - the SQL is put together from constants; values are always parameters

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

import msgspec
from typing_extensions import override

from orbit.database.budgets import DayCounts
from orbit.database.conversations import ConversationTurn
from orbit.database.keys import ApiKey, DuplicateKey
from orbit.database.prompts import SystemPrompt
from orbit.database.sqlite.prompts import SqlitePrompts
from orbit.database.sqlite.rows import KEY_COLUMNS, PROMPT_COLUMNS, key_row
from orbit.database.transferable import SESSIONS


class SqliteTransfer(SqlitePrompts):
    """The part of a SQLite database that a copy uses."""

    @override
    async def put_prompt(self, versions: Sequence[SystemPrompt]) -> None:
        present, *earlier = versions
        async with self._transaction(changes_records=True) as db:
            await self._require_new_name(db, present.name, present.id)
            await db.execute(_upsert("system_prompts", PROMPT_COLUMNS, "id"), msgspec.structs.astuple(present))
            await db.execute("DELETE FROM prompt_versions WHERE id = ?", (present.id,))
            for version in earlier:
                await self._insert_prompt(db, "prompt_versions", version)

    @override
    async def put_key(self, key: ApiKey) -> None:
        try:
            async with self._transaction(changes_records=True) as db:
                await db.execute(_upsert("api_keys", KEY_COLUMNS, "id"), key_row(key))
                await db.execute("DELETE FROM former_secrets WHERE key_id = ?", (key.id,))
                for secret in key.former:
                    row = (secret.digest, key.id, secret.hint, secret.expires_at)
                    await db.execute(
                        "INSERT INTO former_secrets (digest, key_id, hint, expires_at) VALUES (?, ?, ?, ?)", row
                    )
        except sqlite3.IntegrityError as error:
            raise DuplicateKey from error

    @override
    async def session_ids(self, key_id: str, *, after: str = "") -> list[str]:
        sql = (
            "SELECT DISTINCT session_id FROM session_turns WHERE key_id = ? AND session_id > ?"
            " ORDER BY session_id LIMIT ?"
        )
        return [session_id for (session_id,) in await self._rows(sql, (key_id, after, SESSIONS))]

    @override
    async def put_conversation(self, key_id: str, session_id: str, turns: Sequence[ConversationTurn]) -> None:
        async with self._transaction() as db:
            await db.execute("DELETE FROM session_turns WHERE key_id = ? AND session_id = ?", (key_id, session_id))
            for turn in turns:
                sources = msgspec.json.encode(turn.sources)
                row = (key_id, session_id, turn.question, turn.answer, turn.at, sources, turn.detail)
                await db.execute(
                    "INSERT INTO session_turns (key_id, session_id, question, answer, at, sources, detail)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    row,
                )

    @override
    async def request_counts(self, key_id: str) -> dict[int, int]:
        rows = await self._rows("SELECT second, number FROM request_counts WHERE key_id = ?", (key_id,))
        return {second: number for second, number in rows if number}

    @override
    async def put_request_counts(self, key_id: str, counts: Mapping[int, int]) -> bool:
        async with self._transaction() as db:
            await db.execute("DELETE FROM request_counts WHERE key_id = ?", (key_id,))
            for second, number in counts.items():
                await db.execute(
                    "INSERT INTO request_counts (key_id, second, number) VALUES (?, ?, ?)", (key_id, second, number)
                )
        return True

    @override
    async def day_counts(self, key_id: str) -> DayCounts:
        rows = await self._rows("SELECT day, requests, tokens FROM day_counts WHERE key_id = ?", (key_id,))
        return {day: (requests, tokens) for day, requests, tokens in rows}

    @override
    async def put_day_counts(self, key_id: str, counts: DayCounts) -> None:
        async with self._transaction() as db:
            await db.execute("DELETE FROM day_counts WHERE key_id = ?", (key_id,))
            for day, (requests, tokens) in counts.items():
                row = (key_id, day, requests, tokens)
                await db.execute("INSERT INTO day_counts (key_id, day, requests, tokens) VALUES (?, ?, ?, ?)", row)


def _upsert(table: str, columns: str, unique: str) -> str:
    """Return a statement that inserts or updates a row; replacing it would delete the rows that refer to it."""
    names = [column.strip() for column in columns.split(",")]
    changes = ", ".join(f"{name} = excluded.{name}" for name in names if name != unique)
    marks = ", ".join("?" * len(names))
    return f"INSERT INTO {table} ({columns}) VALUES ({marks}) ON CONFLICT ({unique}) DO UPDATE SET {changes}"
