"""Writes passages, each batch in one transaction, and builds the index of a collection that has grown to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import orbit
from orbit_pgvector import tables
from orbit_pgvector.database import Database
from orbit_pgvector.records import COLUMNS, storable, to_rows
from orbit_pgvector.settings import PgvectorSettings

if TYPE_CHECKING:
    from orbit_pgvector.database import Connection
    from orbit_pgvector.tables import Table

T = TypeVar("T")

WRITE_SIZE = 1_000
"""Passages that are embedded and written at once."""


class Writer:
    """Writes to one open database, with vectors of the host's models."""

    def __init__(self, database: Database, settings: PgvectorSettings, host: orbit.Host) -> None:
        """Keep the arguments."""
        self._database = database
        self._settings = settings
        self._host = host

    async def write(
        self, name: str, documents: Sequence[orbit.Document], embedding: str, context: orbit.CallContext
    ) -> None:
        """Embed all documents of some sources and write them in place of the earlier ones. There is at least one."""
        sources: dict[str, tuple[str, int]] = {}
        places: dict[str, int] = {}
        for document in documents:
            source = storable(document.source)
            place = places[document.id] = sources.get(source, ("", 0))[1]
            sources[source] = (storable(document.digest), place + 1)
        first, *others = batched(documents, WRITE_SIZE)
        vectors = await self._host.embed([document.text for document in first], "document", context, embedding)
        async with self._database.writing() as connection:
            dimension = int(vectors.shape[1])
            table = await tables.make(connection, name, embedding, dimension, self._settings.partitions)
            table.check(embedding, dimension)
            more = await tables.replace(connection, table, sources)
            await _insert(connection, table, to_rows(first, places, vectors), context)
            for some in others:
                vectors = await self._host.embed([document.text for document in some], "document", context, embedding)
                await _insert(connection, table, to_rows(some, places, vectors), context)
            table = await tables.grow(connection, table, more)
        await self._index_if_due(table)

    async def copy(
        self, table: Table, target: str, sources: Mapping[str, int], embedding: str, context: orbit.CallContext
    ) -> None:
        """Copy sources, each with its number of passages, with their vectors if ``embedding`` made them."""
        for some in _groups(sources):
            if table.problem(embedding):
                async with self._database.reading() as connection:
                    documents = await tables.read(connection, table, some)
                if documents:
                    await self.write(target, documents, embedding, context)
            else:
                await self._copy_rows(table, target, some, context)

    async def _copy_rows(self, table: Table, target: str, sources: Sequence[str], context: orbit.CallContext) -> None:
        async with self._database.writing() as connection:
            made = await tables.make(connection, target, table.embedding, table.dimension, self._settings.partitions)
            made.check(table.embedding, table.dimension)
            copied, more = await tables.copy(connection, table, made, sources)
            made = await tables.grow(connection, made, more)
        await self._index_if_due(made)
        if context.progress is not None:
            context.progress(copied)

    async def _index_if_due(self, table: Table) -> None:
        """Build the index of a collection that has grown to ``index_from``."""
        least = self._settings.index_from
        if least is None or table.passages < least or table.indexed or table.dimension > tables.INDEXABLE:
            return
        async with self._database.writing() as connection:
            await tables.build_index(connection, table)


async def _insert(
    connection: Connection, table: Table, rows: Sequence[tuple[object, ...]], context: orbit.CallContext
) -> None:
    await connection.copy_records_to_table(f"passages_{table.id}", records=rows, columns=COLUMNS)
    if context.progress is not None:
        context.progress(0)


def _groups(sources: Mapping[str, int]) -> Iterator[list[str]]:
    """Divide sources into groups of about ``WRITE_SIZE`` passages."""
    group: list[str] = []
    size = 0
    for source, count in sources.items():
        group.append(source)
        size += count
        if size >= WRITE_SIZE:
            yield group
            group, size = [], 0
    if group:
        yield group


def batched(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Cut a sequence into pieces of at most ``size``."""
    return (items[start : start + size] for start in range(0, len(items), size))
