"""System prompts in SQLite."""

# ruff: noqa: S608 - the SQL is put together from constants; values are always parameters

from __future__ import annotations

import aiosqlite
import msgspec
from typing_extensions import override

from orbit.database.prompts import (
    DuplicatePrompt,
    PromptChanges,
    PromptInUse,
    SystemPrompt,
    UnknownPrompt,
    changed_prompt,
)
from orbit.database.records import PAGE, new_id, now
from orbit.database.sqlite.connections import SqliteConnections
from orbit.database.sqlite.rows import PROMPT_COLUMNS, SELECT_KEYS, SELECT_PROMPTS, keys_of, one_prompt


class SqlitePrompts(SqliteConnections):
    """The system prompts of a SQLite database."""

    @override
    async def create_prompt(self, name: str, prompt: str, version: str = "1.0") -> SystemPrompt:
        at = now()
        created = SystemPrompt(new_id(), name, prompt, version, at, at)
        async with self._transaction() as db:
            await self._require_new_name(db, name, created.id)
            await self._insert_prompt(db, "system_prompts", created)
        return created

    @override
    async def get_prompt(self, prompt_id: str) -> SystemPrompt:
        return one_prompt(await self._rows(f"{SELECT_PROMPTS} WHERE id = ?", (prompt_id,)), prompt_id)

    @override
    async def get_prompt_by_name(self, name: str) -> SystemPrompt:
        return one_prompt(await self._rows(f"{SELECT_PROMPTS} WHERE name = ?", (name,)), name)

    @override
    async def list_prompts(self, *, after: str = "", limit: int = PAGE) -> list[SystemPrompt]:
        rows = await self._rows(f"{SELECT_PROMPTS} WHERE id > ? ORDER BY id LIMIT ?", (after, limit))
        return [SystemPrompt(*row) for row in rows]

    @override
    async def update_prompt(self, prompt_id: str, changes: PromptChanges) -> SystemPrompt:
        async with self._transaction(changes_records=True) as db:
            present = await self._prompt_in(db, prompt_id)
            updated = changed_prompt(present, changes, now())
            if updated is present:
                return present
            await self._require_new_name(db, updated.name, prompt_id)
            await self._insert_prompt(db, "prompt_versions", present)
            await db.execute(
                "UPDATE system_prompts SET name = ?, prompt = ?, version = ?, updated_at = ?, revision = ?"
                " WHERE id = ?",
                (updated.name, updated.prompt, updated.version, updated.updated_at, updated.revision, prompt_id),
            )
        return updated

    @override
    async def prompt_versions(self, prompt_id: str) -> list[SystemPrompt]:
        rows = await self._rows(
            f"""{SELECT_PROMPTS} WHERE id = ?1
                UNION ALL SELECT {PROMPT_COLUMNS} FROM prompt_versions WHERE id = ?1
                ORDER BY revision DESC""",
            (prompt_id,),
        )
        if not rows:
            raise UnknownPrompt(prompt_id)
        return [SystemPrompt(*row) for row in rows]

    @override
    async def delete_prompt(self, prompt_id: str, *, force: bool = False) -> None:
        async with self._transaction(changes_records=True) as db:
            await self._prompt_in(db, prompt_id)
            rows = await db.execute_fetchall(f"{SELECT_KEYS} WHERE k.system_prompt_id = ? ORDER BY k.id", (prompt_id,))
            if rows and not force:
                raise PromptInUse(list(keys_of(rows)))
            await db.execute("UPDATE api_keys SET system_prompt_id = NULL WHERE system_prompt_id = ?", (prompt_id,))
            await db.execute("DELETE FROM system_prompts WHERE id = ?", (prompt_id,))

    async def _prompt_in(self, db: aiosqlite.Connection, prompt_id: str) -> SystemPrompt:
        return one_prompt(await db.execute_fetchall(f"{SELECT_PROMPTS} WHERE id = ?", (prompt_id,)), prompt_id)

    async def _require_new_name(self, db: aiosqlite.Connection, name: str, prompt_id: str) -> None:
        if await db.execute_fetchall("SELECT 1 FROM system_prompts WHERE name = ? AND id <> ?", (name, prompt_id)):
            raise DuplicatePrompt(name)

    async def _insert_prompt(self, db: aiosqlite.Connection, table: str, prompt: SystemPrompt) -> None:
        sql = f"INSERT INTO {table} ({PROMPT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"
        await db.execute(sql, msgspec.structs.astuple(prompt))
