"""Connections to the database, which is prepared at first use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import orbit
from orbit.upstreams import tls_context
from orbit_pgvector.errors import translate
from orbit_pgvector.settings import PgvectorSettings

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]

_LOCK = 0x6F72626974
"""The advisory lock of those who create tables: of two that create one at the same time, one would fail."""

_OLDEST = (0, 8)
"""Earlier versions of pgvector stop a search in the index before it has found enough."""

_EXTENSION = """
SELECT extversion AS version, nspname AS schema FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE extname = 'vector'
"""

_TABLES = """
CREATE SCHEMA IF NOT EXISTS {schema};
CREATE TABLE {schema}.collections (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    embedding text NOT NULL,
    dimension integer NOT NULL,
    passages bigint NOT NULL DEFAULT 0,
    indexed boolean NOT NULL DEFAULT false
)
"""


class Database:
    """A pool of connections. It opens when it is used, so the server may come up later."""

    def __init__(self, settings: PgvectorSettings) -> None:
        """Keep the settings."""
        self._settings = settings
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._opening = asyncio.Lock()
        self._closed = False

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Connection]:
        """Yield a connection. Raises ProviderError, also instead of the client's errors inside."""
        try:
            pool = self._pool or await self._open()
            async with pool.acquire(timeout=self._settings.timeout) as connection:
                yield connection
        except Exception as error:
            raise translate(error, self._settings.where) from error

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Connection]:
        """Yield a connection in a transaction. Embedding within it may take long."""
        async with self.reading() as connection, connection.transaction():
            await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            yield connection

    async def check(self) -> None:
        """Raise ProviderError if the server does not respond."""
        async with self.reading() as connection:
            await connection.execute("SELECT 1", timeout=self._settings.timeout)

    async def close(self) -> None:
        """Wait for running calls and close all connections."""
        self._closed = True
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    async def _open(self) -> asyncpg.Pool[asyncpg.Record]:
        import asyncpg  # noqa: PLC0415 - importing a plugin stays light
        from pgvector.asyncpg import register_vector  # noqa: PLC0415 - the same

        async with self._opening:
            if self._closed:
                raise orbit.ProviderError("the database is not open", kind="unavailable")
            if self._pool is None:
                arguments = self._arguments()
                first: Connection = await asyncpg.connect(**arguments)
                try:
                    schema = await self._prepare(first)
                finally:
                    await first.close(timeout=self._settings.timeout)

                async def register(connection: Any) -> None:
                    await register_vector(connection, schema=schema)

                arguments["server_settings"]["search_path"] = f'{self._settings.schema}, "{schema}"'
                self._pool = await asyncpg.create_pool(
                    **arguments, min_size=0, max_size=self._settings.connections, init=register
                )
            return self._pool

    def _arguments(self) -> dict[str, Any]:
        settings = self._settings
        return {
            "host": settings.host,
            "port": settings.port,
            "user": settings.user,
            "password": settings.password or None,
            "database": settings.database,
            "ssl": tls_context(settings.ca_certs, verify_certs=settings.verify_certs) if settings.ssl else False,
            "timeout": settings.timeout,
            "server_settings": {
                "application_name": "orbit",
                "hnsw.ef_search": str(settings.ef_search),
                "hnsw.iterative_scan": "strict_order",
            },
        }

    async def _prepare(self, connection: Connection) -> str:
        """Create the extension and the tables unless they exist. Return the extension's schema."""
        import asyncpg  # noqa: PLC0415 - importing a plugin stays light

        where, schema = self._settings.where, self._settings.schema
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            found = await connection.fetchrow(_EXTENSION)
            if found is None:
                try:
                    await connection.execute("CREATE EXTENSION vector")
                except (asyncpg.FeatureNotSupportedError, asyncpg.UndefinedFileError) as error:
                    raise orbit.ProviderError(
                        f"{where} has no pgvector; install it there, on Debian the package postgresql-NN-pgvector"
                    ) from error
                except asyncpg.InsufficientPrivilegeError as error:
                    raise orbit.ProviderError(
                        f"{where} does not let '{self._settings.user}' create the extension; as a superuser run in "
                        f"the database '{self._settings.database}': CREATE EXTENSION vector"
                    ) from error
                found = await connection.fetchrow(_EXTENSION)
                assert found is not None
            if tuple(int(part) for part in found["version"].split(".")[:2]) < _OLDEST:
                raise orbit.ProviderError(
                    f"{where} has pgvector {found['version']}, but this plugin needs 0.8 or newer"
                )
            if await connection.fetchval("SELECT to_regclass($1)", f"{schema}.collections") is None:
                await connection.execute(_TABLES.format(schema=schema))
            return str(found["schema"])
