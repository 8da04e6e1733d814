"""The connections to the SQLite file: one for transactions, one for single statements."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiosqlite
from typing_extensions import override

from orbit.database.base import Database
from orbit.database.sqlite.schema import MIGRATIONS
from orbit.errors import ConfigError, DatabaseUnavailable, Problem

BUSY_SECONDS = 10.0
"""How long an operation waits while another process writes."""


class SqliteConnections(Database):
    """Two connections to a SQLite file that only its owner can read.

    Transactions take turns on one. Single statements run on the other, so that they never see an unfinished
    transaction of another coroutine.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(Path(f"{path}-changes"))
        self.path = path
        self._write_lock = asyncio.Lock()

    @override
    async def _enter(self, stack: contextlib.AsyncExitStack) -> None:
        # At DEBUG, the library would log every statement with its values.
        logging.getLogger("aiosqlite").setLevel(logging.INFO)
        with self._as_unavailable():
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Closing an existing file would release the locks of other connections of this process.
            if not self.path.exists():
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            self.path.chmod(0o600)
            stack.enter_context(self._signal)
            self._writer = await stack.enter_async_context(self._connect())
            await self._use_wal()
            await self._writer.execute("PRAGMA synchronous = FULL")
            await self._writer.execute("PRAGMA foreign_keys = ON")
            await self._migrate_schema()
            self._single = await stack.enter_async_context(self._connect())
            # A power cut may cost the last counts; waiting for the disk at each request would cost more.
            await self._single.execute("PRAGMA synchronous = NORMAL")

    @override
    async def ping(self) -> None:
        await self._rows("SELECT 1 FROM system_prompts LIMIT 1")

    def _connect(self) -> aiosqlite.Connection:
        return aiosqlite.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)

    async def _use_wal(self) -> None:
        """Switch a new file to a write-ahead log. SQLite does not wait for another writer here, so retry."""
        end = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                await self._writer.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= end:
                    raise
                await asyncio.sleep(0.01)
            else:
                return

    async def _migrate_schema(self) -> None:
        """Migrate the file to the newest schema; another process may do the same at this moment."""
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
        """Run one transaction at a time. ``changes_records`` announces the change to the other processes."""
        with self._as_unavailable():
            async with self._write_lock:
                db = self._writer
                committed = False
                try:
                    await db.execute("BEGIN IMMEDIATE")
                    yield db
                    committed = True  # if the caller is cancelled now, the COMMIT may be on its way
                    await db.execute("COMMIT")
                except BaseException as error:
                    committed = committed and not isinstance(error, sqlite3.Error)
                    # The connection works in order: this comes after a BEGIN or COMMIT whose caller was cancelled.
                    await db.rollback()
                    raise
                finally:
                    if changes_records and committed:
                        self.changed()

    async def _rows(self, sql: str, values: Sequence[Any] = ()) -> Sequence[Any]:
        with self._as_unavailable():
            return list(await self._single.execute_fetchall(sql, values))

    async def _changed_rows(self, sql: str, values: Mapping[str, Any]) -> int:
        """Run one statement in a transaction of its own; return how many rows it changed."""
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
            raise DatabaseUnavailable(f"The database {self.path} cannot be used: {error}") from error
