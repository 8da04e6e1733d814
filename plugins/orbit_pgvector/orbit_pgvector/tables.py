"""The tables of collections, in SQL.

A collection has a row in ``collections`` and two tables with its number: its sources with their digests, and its
passages with their vectors, which its HNSW index covers. A transaction replaces sources, so that readers see all of a
source's former passages or all of its new ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

import orbit
from orbit.filters import readable
from orbit_pgvector.conditions import Conditions
from orbit_pgvector.records import COLUMNS, storable, to_document

if TYPE_CHECKING:
    from orbit import Vectors
    from orbit_pgvector.database import Connection

INDEXABLE: Final = 4_000
"""The most dimensions that pgvector indexes."""

_FIELDS: Final = ", ".join(COLUMNS)

_CREATE: Final = """
CREATE TABLE {sources} (source text PRIMARY KEY, digest text NOT NULL, passages integer NOT NULL);
CREATE TABLE {passages} (
    source text NOT NULL, place integer NOT NULL, id text NOT NULL, title text NOT NULL, link text NOT NULL,
    text text NOT NULL, metadata jsonb NOT NULL, vector halfvec({dimension}) NOT NULL,
    PRIMARY KEY (source, place)
)"""

_PART: Final = """
CREATE TABLE {passages}_{part} PARTITION OF {passages} FOR VALUES WITH (MODULUS {modulus}, REMAINDER {part})"""

_SEARCH: Final = """
SELECT found.*, digest FROM (
    SELECT id, source, title, link, text, metadata, -(vector <#> $1) AS score
    FROM {passages} {where} ORDER BY vector <#> $1 LIMIT {limit}
) found JOIN {sources} USING (source) ORDER BY score DESC"""

_READ: Final = """
SELECT id, source, title, link, text, metadata, digest
FROM unnest($1::text[]) WITH ORDINALITY AS wanted (source, number)
JOIN {sources} USING (source) JOIN {passages} USING (source) ORDER BY number, place"""

_REPLACE: Final = """
INSERT INTO {sources} SELECT * FROM unnest($1::text[], $2::text[], $3::integer[])
ON CONFLICT (source) DO UPDATE SET digest = EXCLUDED.digest, passages = EXCLUDED.passages"""


class Table(msgspec.Struct, frozen=True):
    """A collection: its row in ``collections``."""

    id: int
    name: str
    embedding: str
    dimension: int
    passages: int
    indexed: bool

    def sql(self, text: str, **values: int | str) -> str:
        """Return an SQL text with the names of this collection's tables."""
        return text.format(sources=f"sources_{self.id}", passages=f"passages_{self.id}", **values)

    def problem(self, embedding: str, dimension: int | None = None) -> str:
        """Return why vectors of ``embedding`` are not comparable with the collection's; empty if they are."""
        if self.embedding == embedding and dimension in (None, self.dimension):
            return ""
        now = embedding or "no embedding provider"
        return (
            f"Collection '{self.name}' contains vectors of {self.embedding} ({self.dimension} dimensions), but "
            f"{now}{f' ({dimension} dimensions)' if dimension else ''} is in use. Run: orbit collections re-embed "
            f"{self.name}, or restore the embedding provider (general.embedding_provider)."
        )

    def check(self, embedding: str, dimension: int | None = None) -> None:
        """Raise ProviderError unless vectors of ``embedding`` are comparable with the collection's."""
        if problem := self.problem(embedding, dimension):
            raise orbit.ProviderError(problem)


async def find(connection: Connection, name: str, *, lock: bool = False) -> Table | None:
    """Return a collection; None if it does not exist. ``lock``: nobody drops or renames it in this transaction."""
    suffix = " FOR KEY SHARE" if lock else ""
    row = await connection.fetchrow(f"SELECT * FROM collections WHERE name = $1{suffix}", storable(name))  # noqa: S608
    return None if row is None else Table(**row)


async def every(connection: Connection) -> list[Table]:
    """Return all collections, sorted by name."""
    return [Table(**row) for row in await connection.fetch('SELECT * FROM collections ORDER BY name COLLATE "C"')]


async def make(connection: Connection, name: str, embedding: str, dimension: int, partitions: int) -> Table:
    """Return a collection, locked as in ``find``, after creating it unless it exists. In a transaction."""
    while (table := await find(connection, name, lock=True)) is None:
        number = await connection.fetchval(
            "INSERT INTO collections (name, embedding, dimension) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING "
            "RETURNING id",
            *(name, embedding, dimension),
        )
        if number is None:  # another transaction created it
            continue
        table = Table(number, name, embedding, dimension, passages=0, indexed=False)
        divided = " PARTITION BY HASH (source)" if partitions > 1 else ""
        await connection.execute(table.sql(_CREATE, dimension=dimension) + divided)
        for part in range(partitions if divided else 0):
            await connection.execute(table.sql(_PART, part=part, modulus=partitions))
    return table


async def drop(connection: Connection, name: str) -> bool:
    """Delete a collection. In a transaction, after those that write it."""
    number = await connection.fetchval("DELETE FROM collections WHERE name = $1 RETURNING id", storable(name))
    if number is not None:
        await connection.execute(f"DROP TABLE sources_{number}, passages_{number}")
    return number is not None


async def rename(connection: Connection, name: str, new_name: str) -> bool:
    """Rename a collection. Return False if it does not exist. In a transaction."""
    import asyncpg  # noqa: PLC0415 - importing a plugin stays light

    try:
        status = await connection.execute("UPDATE collections SET name = $2 WHERE name = $1", storable(name), new_name)
    except asyncpg.UniqueViolationError as error:
        raise orbit.ProviderError(f"The collection '{new_name}' exists.", kind="rejected") from error
    return status != "UPDATE 0"


async def search(
    connection: Connection, table: Table, vector: Vectors, query: orbit.Query, limit: int, seconds: float
) -> list[orbit.Document]:
    """Return the passages nearest to a unit vector of shape ``(dimension,)`` that a query may find, best first."""
    found = await _nearest(connection, table, vector, Conditions(query, 2, readers=False), limit, seconds)
    if all(readable(document, query.readers) for document in found):
        return found
    return await _nearest(connection, table, vector, Conditions(query, 2, readers=True), limit, seconds)


async def _nearest(
    connection: Connection, table: Table, vector: Vectors, conditions: Conditions, limit: int, seconds: float
) -> list[orbit.Document]:
    """Search, by the index if there is one; once more without it if it ended before it had found enough."""
    where = f"WHERE {conditions.sql}" if conditions.sql else ""
    text, values = table.sql(_SEARCH, where=where, limit=limit), (vector, *conditions.values)
    rows = await connection.fetch(text, *values, timeout=seconds)
    if where and len(rows) < limit and table.indexed:
        async with connection.transaction(readonly=True):
            await connection.execute("SET LOCAL enable_indexscan = off")
            rows = await connection.fetch(text, *values, timeout=seconds)
    return [to_document(row, min(1.0, max(0.0, row["score"]))) for row in rows]


async def read(connection: Connection, table: Table, sources: Sequence[str]) -> list[orbit.Document]:
    """Return the passages of some sources, in the order of ``sources`` and of their writing."""
    names = [storable(source) for source in dict.fromkeys(sources)]
    return [to_document(row) for row in await connection.fetch(table.sql(_READ), names)]


async def digests(connection: Connection, table: Table) -> dict[str, str]:
    """Return each source with its digest."""
    return {row[0]: row[1] for row in await connection.fetch(table.sql("SELECT source, digest FROM {sources}"))}


async def sizes(connection: Connection, table: Table) -> dict[str, tuple[str, int]]:
    """Return each source with its digest and the number of its passages."""
    rows = await connection.fetch(table.sql("SELECT source, digest, passages FROM {sources}"))
    return {row[0]: (row[1], row[2]) for row in rows}


async def replace(connection: Connection, table: Table, sources: Mapping[str, tuple[str, int]]) -> int:
    """Delete the passages of some sources and enter the sources with the digest and number of the new ones.

    Returns by how many passages the collection grows. Other writers of these sources wait until the transaction ends.
    """
    names = sorted(sources)  # in one order, so that two writers never wait for each other
    digests, counts = [sources[name][0] for name in names], [sources[name][1] for name in names]
    await connection.execute(table.sql(_REPLACE), names, digests, counts)
    return sum(counts) - await _delete(connection, table, names)


async def forget(connection: Connection, table: Table, sources: Sequence[str]) -> int:
    """Delete some sources and return how many there were."""
    names = [storable(source) for source in sources]
    locked = table.sql('SELECT source FROM {sources} WHERE source = ANY($1) ORDER BY source COLLATE "C" FOR UPDATE')
    found = [row[0] for row in await connection.fetch(locked, names)]
    if found:
        await connection.execute(table.sql("DELETE FROM {sources} WHERE source = ANY($1)"), found)
        await grow(connection, table, -await _delete(connection, table, found))
    return len(found)


async def copy(connection: Connection, table: Table, target: Table, sources: Sequence[str]) -> tuple[int, int]:
    """Copy the passages of some sources, with their vectors. Return how many, and by how many ``target`` grows."""
    marks = table.sql("SELECT source, digest, passages FROM {sources} WHERE source = ANY($1)")
    found = {row[0]: (row[1], row[2]) for row in await connection.fetch(marks, list(sources))}
    more = await replace(connection, target, found)
    taken = table.sql(f"SELECT {_FIELDS} FROM {{passages}} WHERE source = ANY($1)")  # noqa: S608 - no value is in it
    await connection.execute(target.sql(f"INSERT INTO {{passages}} ({_FIELDS}) {taken}"), list(found))
    return sum(count for _, count in found.values()), more


async def grow(connection: Connection, table: Table, more: int) -> Table:
    """Add to the collection's number of passages. Last in a transaction: other writers wait for its end."""
    row = await connection.fetchrow(
        "UPDATE collections SET passages = passages + $2 WHERE id = $1 RETURNING *", table.id, more
    )
    assert row is not None
    return Table(**row)


async def build_index(connection: Connection, table: Table) -> None:
    """Create the HNSW index of a collection unless it has one. In a transaction of its own, whose end writers await."""
    await connection.execute(table.sql("LOCK TABLE {passages} IN SHARE ROW EXCLUSIVE MODE"))
    if not await connection.fetchval("SELECT indexed FROM collections WHERE id = $1", table.id):
        await connection.execute(table.sql("CREATE INDEX ON {passages} USING hnsw (vector halfvec_ip_ops)"))
        await connection.execute("UPDATE collections SET indexed = true WHERE id = $1", table.id)


async def _delete(connection: Connection, table: Table, names: Sequence[str]) -> int:
    status = await connection.execute(table.sql("DELETE FROM {passages} WHERE source = ANY($1)"), names)
    return int(status.rpartition(" ")[2])
