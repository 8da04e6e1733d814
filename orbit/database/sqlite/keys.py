"""API keys in SQLite, and the counts of their requests and tokens."""

# ruff: noqa: S608 - the SQL is put together from constants; values are always parameters

from __future__ import annotations

import time
from pathlib import Path

import aiosqlite
import msgspec
from typing_extensions import override

from orbit.database.budgets import NAMES, Budgets, Use, month_before, month_of, total_use
from orbit.database.keys import ApiKey, DuplicateKey, KeyChanges, UnknownKey
from orbit.database.quota import Quota, quota, window_start
from orbit.database.records import PAGE, set_fields
from orbit.database.sqlite.connections import SqliteConnections
from orbit.database.sqlite.rows import (
    KEY_COLUMNS,
    SELECT_KEYS,
    SELECT_PROMPTS,
    key_row,
    keys_of,
    one_key,
    one_prompt,
    stored,
)

COUNT_REQUEST = """
    INSERT INTO request_counts (key_id, second, number)
    SELECT :key, :second, 1
    WHERE (SELECT coalesce(sum(number), 0) FROM request_counts WHERE key_id = :key AND second >= :start) < :limit
    ON CONFLICT (key_id, second) DO UPDATE SET number = number + 1
"""
"""One statement, so that no other process can count between the check and the increment."""

COUNT_USE = """
    INSERT INTO day_counts (key_id, day, requests, tokens)
    SELECT :key, :day, 1, 0 FROM (
        SELECT
            coalesce(sum(requests), 0) AS month_requests,
            coalesce(sum(tokens), 0) AS month_tokens,
            coalesce(sum(requests * (day = :day)), 0) AS day_requests,
            coalesce(sum(tokens * (day = :day)), 0) AS day_tokens
        FROM day_counts WHERE key_id = :key AND substr(day, 1, 7) = :month
    )
    WHERE (:requests_per_day IS NULL OR day_requests < :requests_per_day)
        AND (:tokens_per_day IS NULL OR day_tokens < :tokens_per_day)
        AND (:requests_per_month IS NULL OR month_requests < :requests_per_month)
        AND (:tokens_per_month IS NULL OR month_tokens < :tokens_per_month)
    ON CONFLICT (key_id, day) DO UPDATE SET requests = requests + 1
"""
"""The same for budgets."""

ADD_USE = """
    INSERT INTO day_counts (key_id, day, requests, tokens) VALUES (:key, :day, max(0, :requests), :tokens)
    ON CONFLICT (key_id, day) DO UPDATE SET requests = max(0, requests + :requests), tokens = tokens + :tokens
"""


class SqliteKeys(SqliteConnections):
    """The keys of a SQLite database."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._swept = 0
        self._swept_day = ""

    @override
    async def create_key(self, key: ApiKey) -> ApiKey:
        async with self._transaction() as db:
            await self._require_prompt(db, key.system_prompt_id)
            await self._require_new_digest(db, key.digest)
            values = key_row(key)
            marks = ", ".join("?" * len(values))
            await db.execute(f"INSERT INTO api_keys ({KEY_COLUMNS}) VALUES ({marks})", values)
        return msgspec.structs.replace(key, former=())

    @override
    async def find_by_digest(self, digest: str) -> ApiKey | None:
        rows = await self._rows(
            f"""{SELECT_KEYS} WHERE k.id IN (
                SELECT id FROM api_keys WHERE digest = ?1
                UNION ALL SELECT key_id FROM former_secrets WHERE digest = ?1
            )""",
            (digest,),
        )
        return next(keys_of(rows), None)

    @override
    async def get_key(self, key_id: str) -> ApiKey:
        return one_key(await self._rows(f"{SELECT_KEYS} WHERE k.id = ?", (key_id,)))

    @override
    async def list_keys(self, *, after: str = "", limit: int = PAGE) -> list[ApiKey]:
        rows = await self._rows(
            f"""{SELECT_KEYS} WHERE k.id IN (SELECT id FROM api_keys WHERE id > ? ORDER BY id LIMIT ?) ORDER BY k.id""",
            (after, limit),
        )
        return list(keys_of(rows))

    @override
    async def keys_with_prompt(self, prompt_id: str) -> list[ApiKey]:
        rows = await self._rows(f"{SELECT_KEYS} WHERE k.system_prompt_id = ? ORDER BY k.id", (prompt_id,))
        return list(keys_of(rows))

    @override
    async def update_key(self, key_id: str, changes: KeyChanges) -> ApiKey:
        values = set_fields(changes)
        async with self._transaction(changes_records=True) as db:
            await self._require_prompt(db, values.get("system_prompt_id"))
            if values:
                columns = ", ".join(f"{name} = ?" for name in values)
                await db.execute(f"UPDATE api_keys SET {columns} WHERE id = ?", [*map(stored, values.values()), key_id])
            return await self._key_in(db, key_id)

    @override
    async def rotate_key(self, key_id: str, digest: str, hint: str, former_until: float) -> ApiKey:
        async with self._transaction(changes_records=True) as db:
            present = await self._key_in(db, key_id)
            await self._require_new_digest(db, digest)
            await db.execute("DELETE FROM former_secrets WHERE key_id = ? AND expires_at <= ?", (key_id, time.time()))
            await db.execute(
                "INSERT INTO former_secrets (digest, key_id, hint, expires_at) VALUES (?, ?, ?, ?)",
                (present.digest, key_id, present.hint, former_until),
            )
            await db.execute("UPDATE api_keys SET digest = ?, hint = ? WHERE id = ?", (digest, hint, key_id))
            return await self._key_in(db, key_id)

    @override
    async def delete_key(self, key_id: str) -> None:
        async with self._transaction(changes_records=True) as db:
            await db.execute("DELETE FROM request_counts WHERE key_id = ?", (key_id,))
            await db.execute("DELETE FROM day_counts WHERE key_id = ?", (key_id,))
            async with db.execute("DELETE FROM api_keys WHERE id = ?", (key_id,)) as cursor:
                if not cursor.rowcount:
                    raise UnknownKey

    @override
    async def count_request(self, key_id: str, limit: int, now: float) -> Quota:
        second, start = int(now), window_start(now)
        if self._swept < start:
            self._swept = second
            await self._changed_rows("DELETE FROM request_counts WHERE second < :start", {"start": start})
        values = {"key": key_id, "second": second, "start": start, "limit": limit}
        allowed = await self._changed_rows(COUNT_REQUEST, values) > 0
        counts = await self._rows(
            "SELECT second, number FROM request_counts WHERE key_id = ? AND second >= ? ORDER BY second",
            (key_id, start),
        )
        return quota(limit, counts, now, allowed=allowed)

    @override
    async def uncount_request(self, key_id: str, second: int) -> None:
        await self._changed_rows(
            "UPDATE request_counts SET number = number - 1 WHERE key_id = :key AND second = :second AND number > 0",
            {"key": key_id, "second": second},
        )

    @override
    async def count_use(self, key_id: str, budgets: Budgets, day: str) -> tuple[bool, Use]:
        await self._forget_earlier_months(day)
        limits = {name: getattr(budgets, name) for name in NAMES}
        allowed = await self._changed_rows(COUNT_USE, {"key": key_id, "day": day, "month": month_of(day), **limits}) > 0
        return allowed, await self.use_of(key_id, day)

    @override
    async def add_use(self, key_id: str, day: str, requests: int, tokens: int) -> None:
        await self._forget_earlier_months(day)
        await self._changed_rows(ADD_USE, {"key": key_id, "day": day, "requests": requests, "tokens": tokens})

    @override
    async def use_of(self, key_id: str, day: str) -> Use:
        rows = await self._rows(
            "SELECT day, requests, tokens FROM day_counts WHERE key_id = ? AND substr(day, 1, 7) = ?",
            (key_id, month_of(day)),
        )
        return total_use({at: (requests, tokens) for at, requests, tokens in rows}, day)

    async def _forget_earlier_months(self, day: str) -> None:
        if self._swept_day < day:
            self._swept_day = day
            await self._changed_rows("DELETE FROM day_counts WHERE day < :month", {"month": month_before(day)})

    async def _key_in(self, db: aiosqlite.Connection, key_id: str) -> ApiKey:
        return one_key(await db.execute_fetchall(f"{SELECT_KEYS} WHERE k.id = ?", (key_id,)))

    async def _require_prompt(self, db: aiosqlite.Connection, prompt_id: str | None) -> None:
        if prompt_id is not None:
            one_prompt(await db.execute_fetchall(f"{SELECT_PROMPTS} WHERE id = ?", (prompt_id,)), prompt_id)

    async def _require_new_digest(self, db: aiosqlite.Connection, digest: str) -> None:
        if await db.execute_fetchall(
            "SELECT 1 FROM api_keys WHERE digest = ?1 UNION ALL SELECT 1 FROM former_secrets WHERE digest = ?1",
            (digest,),
        ):
            raise DuplicateKey
