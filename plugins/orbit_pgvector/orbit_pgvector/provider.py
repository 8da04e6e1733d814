"""The provider: ORBIT's hooks on a PostgreSQL database."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TypeVar

import msgspec

import orbit
from orbit.thresholds import good_enough
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

logger = logging.getLogger("orbit.pgvector")

_TRIES: Final = 3
"""How often to read a collection that others drop or replace at the same moment."""

PREVIOUS: Final = ".previous"
"""Ends the name that ORBIT gives a collection when one with vectors of another model takes its place."""


class PgvectorProvider(orbit.Provider):
    """Searches and writes one database. Every API key has its collection."""

    Settings = PgvectorSettings
    settings: PgvectorSettings

    def __init__(self, name: str, settings: msgspec.Struct, host: orbit.Host) -> None:
        """Store the arguments; ``__aenter__`` opens the database."""
        super().__init__(name, settings, host)
        self._opened: Database | None = None
        self._replaced: set[str] = set()

    async def __aenter__(self) -> Self:
        """Open the database. If the server is unreachable, each use tries again."""
        self._opened = Database(self.settings)
        try:
            async with self._opened.reading():
                pass
        except orbit.ProviderError as error:
            if not error.retryable:
                await self._opened.close()
                raise
            logger.warning("%s starts without its database: %s", self.name, error.message)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Finish running calls and close the database."""
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.close()

    async def ready(self) -> None:
        """Reject a default collection whose vectors are not comparable with the embedding provider's."""
        if not self.host.embedding:
            raise orbit.ConfigError(
                f"{self.name} needs a provider that embeds, but none is enabled; enable one, for example with a "
                "section 'onnx:'."
            )
        name = self.settings.collection
        if not name:
            return
        try:
            table, previous = await self._find(name), await self._find(name + PREVIOUS)
        except orbit.ProviderError as error:
            if error.retryable:  # already logged on opening; each use checks the collection anyway
                return
            raise
        if table is None or (previous is not None and not previous.problem(self._chosen(previous))):
            return  # a newer model may have replaced it, and this server still has the earlier one
        if problem := table.problem(self._chosen(table)):
            raise orbit.ConfigError([orbit.Problem(f"{self.name}.collection", problem)])

    async def health(self) -> orbit.Health:
        """Check that the database responds."""
        try:
            async with self._database.reading() as connection:
                await connection.execute("SELECT 1", timeout=self.settings.timeout)
        except orbit.ProviderError as error:
            return orbit.Health("down", error.message)
        return orbit.Health()

    def validate(self) -> Iterable[str]:
        """Yield values that cannot be intended."""
        return self.settings.problems()

    def needs(self) -> Iterable[orbit.Need]:
        """Return ``embed``, for questions and passages."""
        return (orbit.Need("embed"),)

    def filters(self) -> bool:
        """Return True: the database keeps readers, and searches by them and by metadata."""
        return True

    def default_collection(self) -> str:
        """Return the collection for keys without one."""
        return self.settings.collection

    @orbit.hookimpl
    async def retrieve(self, query: orbit.Query, limit: int, context: orbit.CallContext) -> Sequence[orbit.Document]:
        """Search the key's collection, or the default one, for the passages nearest to the question."""
        name = query.collection or self.settings.collection
        if not name:
            return []
        try:
            return await _again(lambda: self._search(name, query, limit, context))
        except orbit.ProviderError as error:
            if error.retryable:
                raise
            try:  # the vectors of an earlier model, if only that is enabled here
                found = await _again(lambda: self._search(name + PREVIOUS, query, limit, context))
            except orbit.ProviderError:
                raise error from None
        if name not in self._replaced:
            self._replaced.add(name)
            logger.warning(
                "%s answers from %s%s, because %s has vectors of a model that is not enabled here. Enable it",
                *(self.name, name, PREVIOUS, name),
            )
        return found

    async def _search(
        self, name: str, query: orbit.Query, limit: int, context: orbit.CallContext
    ) -> Sequence[orbit.Document]:
        table = await self._existing(name)
        embedding = self._chosen(table)
        vectors = await self.host.embed([query.text], "query", context, embedding)
        table.check(embedding, vectors.shape[1])
        async with self._database.reading() as connection:
            found = await tables.search(connection, table, unit(vectors)[0], query, limit, self.settings.timeout)
        return good_enough(found, self.settings, compared=query.compared)

    @orbit.hookimpl
    async def index(self, collection: str, documents: Sequence[orbit.Document], context: orbit.CallContext) -> int:
        """Embed all documents of some sources and write them in place of the earlier ones, in one transaction."""
        counts = Counter(document.id for document in documents)
        if len(counts) != len(documents):
            twice = next(one for one, count in counts.items() if count > 1)
            raise orbit.ProviderError(f"two documents have the id '{twice}'")
        if problem := name_problem(collection):
            raise orbit.ProviderError(problem)
        if documents:
            table = await self._find(collection)
            embedding = self.host.embedding if table is None else self._chosen(table)
            await self._writer.write(collection, documents, embedding, context)
        return len(documents)

    @orbit.hookimpl
    async def drop(self, collection: str) -> bool:
        """Delete a collection."""
        async with self._database.writing() as connection:
            return await tables.drop(connection, collection)

    @orbit.hookimpl
    async def forget(self, collection: str, sources: Sequence[str]) -> int:
        """Delete the passages of some sources."""
        async with self._database.writing() as connection:
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
            async with self._database.reading() as connection:
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
        async with self._database.writing() as connection:
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
        async with self._database.reading() as connection:
            return [
                orbit.Collection(table.name, table.passages, table.embedding, table.dimension)
                for table in await tables.every(connection)
            ]

    @orbit.hookimpl
    def register_commands(self, group: click.Group) -> None:
        """Add ``orbit pgvector index``."""
        add_commands(group, self.settings)

    @property
    def _database(self) -> Database:
        if self._opened is None:
            raise orbit.ProviderError("the database is not open", kind="unavailable")
        return self._opened

    @property
    def _writer(self) -> Writer:
        return Writer(self._database, self.settings, self.host)

    async def _read(self, name: str, read: Callable[[Connection, Table], Awaitable[T]]) -> T | None:
        """Read a collection; None if it does not exist."""

        async def attempt() -> T | None:
            async with self._database.reading() as connection:
                table = await tables.find(connection, name)
                return None if table is None else await read(connection, table)

        return await _again(attempt)

    async def _find(self, name: str) -> Table | None:
        async with self._database.reading() as connection:
            return await tables.find(connection, name)

    async def _existing(self, name: str) -> Table:
        """Return a collection whose model is enabled here. Raises ProviderError."""
        table = await self._find(name)
        if table is None:
            raise orbit.ProviderError(
                f"The collection '{name}' does not exist. Ingest documents into it: orbit ingest PATH --collection "
                f"{name}",
                kind="not_found",
            )
        table.check(self._chosen(table))
        return table

    def _chosen(self, table: Table) -> str:
        """Return the model of a collection's vectors if it is enabled, else the one in use."""
        return table.embedding if self.host.embeds(table.embedding) else self.host.embedding


async def _again(read: Callable[[], Awaitable[T]]) -> T:
    """Find and read a collection, again if it is dropped or replaced in between."""
    for _ in range(_TRIES - 1):
        with suppress(Dropped):
            return await read()
    return await read()
