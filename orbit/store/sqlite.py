"""The embedded store: one SQLite file that several processes use at once."""

# ruff: noqa: S608 - the SQL is put together from constants of this file; values are always parameters

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiosqlite
import msgspec
from typing_extensions import override

from orbit.errors import ConfigError, Problem, StoreUnavailable
from orbit.store.base import (
    PAGE,
    RATE_WINDOW,
    ApiKey,
    DuplicateKey,
    DuplicatePrompt,
    FormerSecret,
    KeyChanges,
    PromptChanges,
    PromptInUse,
    Quota,
    SessionTurn,
    Store,
    SystemPrompt,
    UnknownKey,
    UnknownPrompt,
    changed_prompt,
    new_id,
    quota,
    set_fields,
)
from orbit.store.signal import ChangeSignal
from orbit.turn import Source

BUSY_SECONDS = 10.0
"""How long an operation waits while another process writes."""

MIGRATIONS = (
    """
    CREATE TABLE system_prompts (
        id TEXT PRIMARY KEY NOT NULL,
        name TEXT NOT NULL UNIQUE,
        prompt TEXT NOT NULL,
        version TEXT NOT NULL,
        created_at REAL NOT NULL,
        updated_at REAL NOT NULL,
        revision INTEGER NOT NULL
    );
    CREATE TABLE prompt_versions (
        id TEXT NOT NULL REFERENCES system_prompts (id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        prompt TEXT NOT NULL,
        version TEXT NOT NULL,
        created_at REAL NOT NULL,
        updated_at REAL NOT NULL,
        revision INTEGER NOT NULL,
        PRIMARY KEY (id, revision)
    );
    CREATE TABLE api_keys (
        id TEXT PRIMARY KEY NOT NULL,
        digest TEXT NOT NULL UNIQUE,
        hint TEXT NOT NULL,
        client_name TEXT NOT NULL,
        collection_name TEXT,
        system_prompt_id TEXT REFERENCES system_prompts (id),
        active INTEGER NOT NULL,
        notes TEXT NOT NULL,
        created_at REAL NOT NULL,
        expires_at REAL,
        requests_per_minute INTEGER
    );
    CREATE INDEX api_keys_by_prompt ON api_keys (system_prompt_id);
    CREATE TABLE former_secrets (
        digest TEXT PRIMARY KEY NOT NULL,
        key_id TEXT NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
        hint TEXT NOT NULL,
        expires_at REAL NOT NULL
    );
    CREATE INDEX former_secrets_by_key ON former_secrets (key_id);
    CREATE TABLE request_counts (
        key_id TEXT NOT NULL,
        second INTEGER NOT NULL,
        number INTEGER NOT NULL,
        PRIMARY KEY (key_id, second)
    ) WITHOUT ROWID;
    """,
    """
    CREATE TABLE session_turns (
        id INTEGER PRIMARY KEY,
        key_id TEXT NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
        session_id TEXT NOT NULL,
        question TEXT NOT NULL,
        answer TEXT NOT NULL,
        at REAL NOT NULL,
        sources BLOB NOT NULL
    );
    CREATE INDEX session_turns_by_session ON session_turns (key_id, session_id, id);
    CREATE INDEX session_turns_by_time ON session_turns (at);
    """,
)
"""What brings a database from each schema version (``PRAGMA user_version``) to the next."""

KEY_COLUMNS = (
    "id, digest, hint, client_name, collection_name, system_prompt_id, active, notes, created_at, expires_at,"
    " requests_per_minute"
)
PROMPT_COLUMNS = "id, name, prompt, version, created_at, updated_at, revision"
SELECT_KEYS = f"""
    SELECT {", ".join(f"k.{column.strip()}" for column in KEY_COLUMNS.split(","))}, f.digest, f.hint, f.expires_at
    FROM api_keys k LEFT JOIN former_secrets f ON f.key_id = k.id
"""

COUNT_REQUEST = """
    INSERT INTO request_counts (key_id, second, number)
    SELECT :key, :second, 1
    WHERE (SELECT coalesce(sum(number), 0) FROM request_counts WHERE key_id = :key AND second >= :start) < :limit
    ON CONFLICT (key_id, second) DO UPDATE SET number = number + 1
"""
"""One statement, so that no other process can count between the check and the increment."""

ADD_TURN = """
    INSERT INTO session_turns (key_id, session_id, question, answer, at, sources)
    SELECT :key, :session, :question, :answer, :at, :sources
    WHERE EXISTS (SELECT 1 FROM api_keys WHERE id = :key)
"""
TRIM_SESSION = """
    DELETE FROM session_turns WHERE key_id = :key AND session_id = :session AND id <= (
        SELECT id FROM session_turns WHERE key_id = :key AND session_id = :session ORDER BY id DESC LIMIT 1 OFFSET :keep
    )
"""
"""Conversations are written by single statements, which do not wait for the disk: a power cut may cost a turn."""

_sources = msgspec.json.Decoder(tuple[Source, ...])


class SqliteStore(Store):
    """Keys, prompts and conversations in a SQLite file, readable by its owner alone.

    Two connections: one for transactions, taken in turn, and one for single statements, which so never see
    another coroutine's unfinished transaction.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._open = contextlib.AsyncExitStack()
        self._write_lock = asyncio.Lock()
        self._swept = 0.0

    async def __aenter__(self) -> Self:
        # At DEBUG, the library would log every statement with its values.
        logging.getLogger("aiosqlite").setLevel(logging.INFO)
        async with contextlib.AsyncExitStack() as stack:
            with self._as_unavailable():
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
                self.path.chmod(0o600)
                self._signal = stack.enter_context(ChangeSignal(Path(f"{self.path}-changes")))
                self._writer = await stack.enter_async_context(self._connect())
                await self._writer.execute("PRAGMA journal_mode = WAL")
                await self._writer.execute("PRAGMA synchronous = FULL")
                await self._writer.execute("PRAGMA foreign_keys = ON")
                await self._migrate_schema()
                self._single = await stack.enter_async_context(self._connect())
                # Losing the last counts in a power cut is harmless, waiting for the disk at each request is not.
                await self._single.execute("PRAGMA synchronous = NORMAL")
            self._open = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._open.aclose()

    @override
    async def ping(self) -> None:
        await self._rows("SELECT 1 FROM system_prompts LIMIT 1")

    @override
    def generation(self) -> object:
        return self._signal.read()

    @override
    def changed(self) -> None:
        self._signal.send()

    # Keys

    @override
    async def create_key(self, key: ApiKey) -> ApiKey:
        async with self._transaction() as db:
            await self._require_prompt(db, key.system_prompt_id)
            await self._require_new_digest(db, key.digest)
            values = [getattr(key, column.strip()) for column in KEY_COLUMNS.split(",")]
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
        return next(_keys(rows), None)

    @override
    async def get_key(self, key_id: str) -> ApiKey:
        return _one_key(await self._rows(f"{SELECT_KEYS} WHERE k.id = ?", (key_id,)))

    @override
    async def list_keys(self, *, after: str = "", limit: int = PAGE) -> list[ApiKey]:
        rows = await self._rows(
            f"""{SELECT_KEYS} WHERE k.id IN (SELECT id FROM api_keys WHERE id > ? ORDER BY id LIMIT ?) ORDER BY k.id""",
            (after, limit),
        )
        return list(_keys(rows))

    @override
    async def keys_with_prompt(self, prompt_id: str) -> list[ApiKey]:
        rows = await self._rows(f"{SELECT_KEYS} WHERE k.system_prompt_id = ? ORDER BY k.id", (prompt_id,))
        return list(_keys(rows))

    @override
    async def update_key(self, key_id: str, changes: KeyChanges) -> ApiKey:
        values = set_fields(changes)
        async with self._transaction(changes_records=True) as db:
            await self._require_prompt(db, values.get("system_prompt_id"))
            if values:
                columns = ", ".join(f"{name} = ?" for name in values)
                await db.execute(f"UPDATE api_keys SET {columns} WHERE id = ?", [*values.values(), key_id])
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
            async with db.execute("DELETE FROM api_keys WHERE id = ?", (key_id,)) as cursor:
                if not cursor.rowcount:
                    raise UnknownKey

    @override
    async def count_request(self, key_id: str, limit: int, now: float) -> Quota:
        values = {"key": key_id, "second": int(now), "start": int(now) - RATE_WINDOW, "limit": limit}
        with self._as_unavailable():
            if now - self._swept > RATE_WINDOW:
                self._swept = now
                await self._single.execute_fetchall("DELETE FROM request_counts WHERE second < ?", (values["start"],))
        allowed = await self._changed_rows(COUNT_REQUEST, values) > 0
        counts = await self._rows(
            "SELECT second, number FROM request_counts WHERE key_id = ? AND second >= ? ORDER BY second",
            (key_id, values["start"]),
        )
        return quota(limit, counts, now, allowed=allowed)

    # Prompts

    @override
    async def create_prompt(self, name: str, prompt: str, version: str = "1.0") -> SystemPrompt:
        now = time.time()
        created = SystemPrompt(new_id(), name, prompt, version, now, now)
        async with self._transaction() as db:
            await self._require_new_name(db, name, created.id)
            await self._insert_prompt(db, "system_prompts", created)
        return created

    @override
    async def get_prompt(self, prompt_id: str) -> SystemPrompt:
        return _one_prompt(await self._prompt_rows(self._single, "id", prompt_id), prompt_id)

    @override
    async def get_prompt_by_name(self, name: str) -> SystemPrompt:
        return _one_prompt(await self._prompt_rows(self._single, "name", name), name)

    @override
    async def list_prompts(self, *, after: str = "", limit: int = PAGE) -> list[SystemPrompt]:
        rows = await self._rows(
            f"SELECT {PROMPT_COLUMNS} FROM system_prompts WHERE id > ? ORDER BY id LIMIT ?",
            (after, limit),
        )
        return [SystemPrompt(*row) for row in rows]

    @override
    async def update_prompt(self, prompt_id: str, changes: PromptChanges) -> SystemPrompt:
        async with self._transaction(changes_records=True) as db:
            present = _one_prompt(await self._prompt_rows(db, "id", prompt_id), prompt_id)
            updated = changed_prompt(present, changes, time.time())
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
            f"""SELECT {PROMPT_COLUMNS} FROM system_prompts WHERE id = ?1
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
            _one_prompt(await self._prompt_rows(db, "id", prompt_id), prompt_id)
            rows = await db.execute_fetchall(f"{SELECT_KEYS} WHERE k.system_prompt_id = ? ORDER BY k.id", (prompt_id,))
            if rows and not force:
                raise PromptInUse(list(_keys(rows)))
            await db.execute("UPDATE api_keys SET system_prompt_id = NULL WHERE system_prompt_id = ?", (prompt_id,))
            await db.execute("DELETE FROM system_prompts WHERE id = ?", (prompt_id,))

    # Conversations

    @override
    async def add_turn(self, key_id: str, session_id: str, turn: SessionTurn, keep: int) -> None:
        where = {"key": key_id, "session": session_id, "keep": keep}
        values = {**msgspec.structs.asdict(turn), "sources": msgspec.json.encode(turn.sources)}
        if not await self._changed_rows(ADD_TURN, {**where, **values}):
            raise UnknownKey
        await self._changed_rows(TRIM_SESSION, where)

    @override
    async def session_turns(self, key_id: str, session_id: str, since: float) -> list[SessionTurn]:
        rows = await self._rows(
            "SELECT question, answer, at, sources FROM session_turns"
            " WHERE key_id = ? AND session_id = ? AND at > ? ORDER BY id",
            (key_id, session_id, since),
        )
        return [SessionTurn(question, answer, at, _sources.decode(sources)) for question, answer, at, sources in rows]

    @override
    async def delete_session(self, key_id: str, session_id: str) -> bool:
        sql = "DELETE FROM session_turns WHERE key_id = :key AND session_id = :session"
        return await self._changed_rows(sql, {"key": key_id, "session": session_id}) > 0

    @override
    async def forget_turns(self, before: float) -> int:
        return await self._changed_rows("DELETE FROM session_turns WHERE at <= :before", {"before": before})

    # How it is done

    def _connect(self) -> aiosqlite.Connection:
        return aiosqlite.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)

    async def _migrate_schema(self) -> None:
        """Bring the file to the newest schema; another process may be doing the same at this moment."""
        async with self._transaction() as db:
            ((version,),) = await db.execute_fetchall("PRAGMA user_version")
            if version > len(MIGRATIONS):
                sentence = f"{self.path} was written by a newer ORBIT (schema {version}); upgrade, or use another file."
                raise ConfigError([Problem("sqlite.path", sentence)])
            for step in MIGRATIONS[version:]:
                for statement in filter(str.strip, step.split(";")):
                    await db.execute(statement)
            await db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    @contextlib.asynccontextmanager
    async def _transaction(self, *, changes_records: bool = False) -> AsyncIterator[aiosqlite.Connection]:
        """One transaction at a time. ``changes_records``: what others may remember is then out of date."""
        with self._as_unavailable():
            async with self._write_lock:
                db = self._writer
                try:
                    await db.execute("BEGIN IMMEDIATE")
                    yield db
                    await db.execute("COMMIT")
                except BaseException:
                    # The connection works in order: this comes after a BEGIN or COMMIT whose caller was cancelled.
                    await db.rollback()
                    raise
                finally:
                    if changes_records:  # also when cancelled: the COMMIT may be on its way
                        self.changed()

    async def _rows(self, sql: str, values: Sequence[Any] = ()) -> Sequence[Any]:
        with self._as_unavailable():
            return list(await self._single.execute_fetchall(sql, values))

    async def _changed_rows(self, sql: str, values: Mapping[str, Any]) -> int:
        """Run one statement, a transaction of its own; how many rows it changed."""
        with self._as_unavailable():
            async with self._single.execute(sql, values) as cursor:
                return cursor.rowcount

    @contextlib.contextmanager
    def _as_unavailable(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.DatabaseError, OSError) as error:
            if isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError):
                raise
            raise StoreUnavailable(f"The store {self.path} cannot be used: {error}") from error

    async def _require_prompt(self, db: aiosqlite.Connection, prompt_id: str | None) -> None:
        if prompt_id is not None:
            _one_prompt(await self._prompt_rows(db, "id", prompt_id), prompt_id)

    async def _require_new_digest(self, db: aiosqlite.Connection, digest: str) -> None:
        if await db.execute_fetchall(
            "SELECT 1 FROM api_keys WHERE digest = ?1 UNION ALL SELECT 1 FROM former_secrets WHERE digest = ?1",
            (digest,),
        ):
            raise DuplicateKey

    async def _require_new_name(self, db: aiosqlite.Connection, name: str, prompt_id: str) -> None:
        if await db.execute_fetchall("SELECT 1 FROM system_prompts WHERE name = ? AND id <> ?", (name, prompt_id)):
            raise DuplicatePrompt(name)

    async def _key_in(self, db: aiosqlite.Connection, key_id: str) -> ApiKey:
        return _one_key(await db.execute_fetchall(f"{SELECT_KEYS} WHERE k.id = ?", (key_id,)))

    async def _prompt_rows(self, db: aiosqlite.Connection, column: str, value: str) -> Any:
        sql = f"SELECT {PROMPT_COLUMNS} FROM system_prompts WHERE {column} = ?"
        with self._as_unavailable():
            return await db.execute_fetchall(sql, (value,))

    async def _insert_prompt(self, db: aiosqlite.Connection, table: str, prompt: SystemPrompt) -> None:
        sql = f"INSERT INTO {table} ({PROMPT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"
        await db.execute(sql, msgspec.structs.astuple(prompt))


def _keys(rows: Any) -> Iterator[ApiKey]:
    """Records from the rows of ``SELECT_KEYS``: one row for each former secret, or one without."""
    key: ApiKey | None = None
    for *fields, digest, hint, expires_at in rows:
        if key is None or key.id != fields[0]:
            if key is not None:
                yield key
            fields[6] = bool(fields[6])
            key = ApiKey(*fields)
        if digest is not None:
            key = msgspec.structs.replace(key, former=(*key.former, FormerSecret(digest, hint, expires_at)))
    if key is not None:
        yield key


def _one_key(rows: Any) -> ApiKey:
    key = next(_keys(rows), None)
    if key is None:
        raise UnknownKey
    return key


def _one_prompt(rows: Any, reference: str) -> SystemPrompt:
    for row in rows:
        return SystemPrompt(*row)
    raise UnknownPrompt(reference)
