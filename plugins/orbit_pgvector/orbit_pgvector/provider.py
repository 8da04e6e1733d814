"""The provider: ORBIT's hooks on a PostgreSQL database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

import orbit
from orbit.stores import NoCollection, VectorStore, refuse_equal_ids
from orbit_pgvector import tables
from orbit_pgvector.commands import add_commands
from orbit_pgvector.database import Database
from orbit_pgvector.errors import Dropped
from orbit_pgvector.records import unit
from orbit_pgvector.settings import PgvectorSettings, name_problem
from orbit_pgvector.tables import Table
from orbit_pgvector.writing import Writer

if TYPE_CHECKING:
    import click

    from orbit_pgvector.database import Connection

T = TypeVar("T")

_TRIES: Final = 3
"""How often to read a collection that others drop or replace at the same moment."""


class PgvectorProvider(VectorStore[Database]):
    """Searches and writes one database. Every API key has its collection."""

    Settings = PgvectorSettings
    settings: PgvectorSettings

    def open(self) -> Database:
        """Return the database."""
        return Database(self.settings)

    async def problem(self, collection: str) -> str | None:
        """Return why the vectors of a collection are not comparable with new ones."""
        table = await self._find(collection)
        return None if table is None else table.problem(self.chosen(table.embedding))

    def validate(self) -> Iterable[str]:
        """Yield values that cannot be intended."""
        return self.settings.problems()

    async def find(
        self, collection: str, query: orbit.Query, limit: int, context: orbit.CallContext
    ) -> Sequence[orbit.Document]:
        """Return the nearest passages of a collection, best first."""
        return await _again(lambda: self._search(collection, query, limit, context))

    async def _search(
        self, name: str, query: orbit.Query, limit: int, context: orbit.CallContext
    ) -> Sequence[orbit.Document]:
        table = await self._find(name)
        if table is None:
            raise NoCollection(name)
        embedding = self.chosen(table.embedding)
        table.check(embedding)
        vectors = await self.host.embed([query.text], "query", context, embedding)
        table.check(embedding, vectors.shape[1])
        async with self.database.reading() as connection:
            return await tables.search(connection, table, unit(vectors)[0], query, limit, self.settings.timeout)

    @orbit.hookimpl
    async def index(self, collection: str, documents: Sequence[orbit.Document], context: orbit.CallContext) -> int:
        """Embed all documents of some sources and write them in place of the earlier ones, in one transaction."""
        refuse_equal_ids(documents)
        if problem := name_problem(collection):
            raise orbit.ProviderError(problem)
        if documents:
            table = await self._find(collection)
            embedding = self.host.embedding if table is None else self.chosen(table.embedding)
            await self._writer.write(collection, documents, embedding, context)
        return len(documents)

    @orbit.hookimpl
    async def drop(self, collection: str) -> bool:
        """Delete a collection."""
        async with self.database.writing() as connection:
            return await tables.drop(connection, collection)

    @orbit.hookimpl
    async def forget(self, collection: str, sources: Sequence[str]) -> int:
        """Delete the passages of some sources."""
        async with self.database.writing() as connection:
            table = await tables.find(connection, collection, lock=True)
            return 0 if table is None else await tables.forget(connection, table, sources)

    @orbit.hookimpl
    async def copy(self, collection: str, target: str, embedding: str, context: orbit.CallContext) -> int:
        """Copy a collection, with its vectors if ``embedding`` made them, else with new ones."""
        for name in (collection, target):
            if problem := name_problem(name):
                raise orbit.ProviderError(problem)
        return await _again(lambda: self._copy(collection, target, embedding, context))

    async def _copy(self, collection: str, target: str, embedding: str, context: orbit.CallContext) -> int:
        while (table := await self._find(collection)) is not None:  # until nothing has changed while it was copied
            other = await self._find(target)
            async with self.database.reading() as connection:
                wanted = await tables.sizes(connection, table)
                held = {} if other is None else await tables.sizes(connection, other)
            missing = {source: count for source, (_, count) in wanted.items() if wanted[source] != held.get(source)}
            if surplus := list(held.keys() - wanted.keys()):
                await self.forget(target, surplus)
            if not missing:
                return sum(count for _, count in wanted.values())
            await self._writer.copy(table, target, missing, embedding, context)
        return 0

    @orbit.hookimpl
    async def rename(self, collection: str, new_name: str) -> bool:
        """Rename a collection; its tables stay as they are."""
        if problem := name_problem(new_name):
            raise orbit.ProviderError(problem)
        async with self.database.writing() as connection:
            return await tables.rename(connection, collection, new_name)

    @orbit.hookimpl
    async def list_sources(self, collection: str) -> Mapping[str, str]:
        """Return the digest of each source."""
        found = await self._read(collection, tables.digests)
        return {} if found is None else found

    @orbit.hookimpl
    async def list_passages(self, collection: str, sources: Sequence[str]) -> Sequence[orbit.Document]:
        """Return the passages of some sources."""
        found = await self._read(collection, lambda connection, table: tables.read(connection, table, sources))
        return [] if found is None else found

    @orbit.hookimpl
    async def list_collections(self) -> Sequence[orbit.Collection]:
        """Return all collections."""
        async with self.database.reading() as connection:
            return [
                orbit.Collection(table.name, table.passages, table.embedding, table.dimension)
                for table in await tables.every(connection)
            ]

    @orbit.hookimpl
    def register_commands(self, group: click.Group) -> None:
        """Add ``orbit pgvector index``."""
        add_commands(group, self.settings)

    @property
    def _writer(self) -> Writer:
        return Writer(self.database, self.settings, self.host)

    async def _read(self, name: str, read: Callable[[Connection, Table], Awaitable[T]]) -> T | None:
        """Read a collection; None if it does not exist."""

        async def attempt() -> T | None:
            async with self.database.reading() as connection:
                table = await tables.find(connection, name)
                return None if table is None else await read(connection, table)

        return await _again(attempt)

    async def _find(self, name: str) -> Table | None:
        async with self.database.reading() as connection:
            return await tables.find(connection, name)


async def _again(read: Callable[[], Awaitable[T]]) -> T:
    """Find and read a collection, again if it is dropped or replaced in between."""
    for _ in range(_TRIES - 1):
        with suppress(Dropped):
            return await read()
    return await read()
