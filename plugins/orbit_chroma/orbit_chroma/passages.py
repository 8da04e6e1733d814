"""The passages of each collection: found, read, written and deleted, after a check of the collection's vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import orbit
from orbit.filters import first_allowed
from orbit.stores import NoCollection
from orbit_chroma import foreign
from orbit_chroma.adoption import normalized
from orbit_chroma.collections import METRIC, Collections, Origin
from orbit_chroma.conditions import where_of
from orbit_chroma.connection import Connection, Database
from orbit_chroma.copying import READ_SIZE
from orbit_chroma.errors import Missing
from orbit_chroma.records import (
    DIGEST,
    PARTS,
    SOURCE,
    digests,
    source_of,
    stored,
    to_documents,
    to_metadatas,
)
from orbit_chroma.vector_file import batched

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection

    from orbit import Vectors

T = TypeVar("T")

_SEVERAL = 2
DELETE_SIZE = 1_000
"""Ids per delete: the database limits the variables of a statement."""


class Passages:
    """The collections of one database, by name."""

    def __init__(self, database: Database, host: orbit.Host, chosen: Callable[[str], str]) -> None:
        """Open the database at first use. ``chosen`` is that of ``VectorStore``."""
        self._host = host
        self._chosen = chosen
        self._connection = Connection(database)
        self._collections = Collections()
        self._sources: dict[str, tuple[int, Mapping[str, str]]] = {}
        """Collection -> its sources with their digests, and how much had been written by then."""
        self._embeddings: dict[str, tuple[str, str]] = {}
        """Collection -> the host's model, and that of the collection's vectors."""

    async def close(self) -> None:
        """Finish running calls and close the database."""
        await self._connection.close()

    async def check(self) -> None:
        """Raise ProviderError unless the database responds."""
        await self._connection.read(lambda client: client.heartbeat())

    async def origin(self, name: str) -> Origin | None:
        """Return where a collection's vectors come from; None if it does not exist."""
        return await self._connection.read(lambda client: self._collections.origin(client, name))

    async def embedding(self, name: str) -> str:
        """Return the model of a collection's vectors: the one that it records, if that is enabled."""
        in_use = self._host.embedding
        known = self._embeddings.get(name)
        if known is not None and known[0] == in_use:
            return known[1]
        origin = await self.origin(name)
        chosen = self._chosen("" if origin is None else origin.embedding)
        if origin is not None:
            self._embeddings[name] = (in_use, chosen)
        return chosen

    def knows(self, name: str) -> bool:
        """Return whether ``embedding`` has seen that the collection exists."""
        return name in self._embeddings

    async def search(self, name: str, query: orbit.Query, limit: int, vectors: Vectors) -> list[orbit.Document]:
        """Return the passages nearest to a question, whose vector is the only one of ``vectors``."""

        def work(collection: Collection, origin: Origin) -> list[orbit.Document]:
            def nearest(count: int, where: Any = None) -> list[orbit.Document]:
                found = collection.query(
                    query_embeddings=_comparable(vectors, origin),
                    n_results=count,
                    where=where,
                    include=["documents", "metadatas", "distances"],
                )
                return to_documents(found, origin.metric)

            narrowed = partial(nearest, where=where_of(query, own=origin.own))
            return first_allowed(query, limit, nearest, narrowed)

        return await self.use(name, vectors.shape[1], work)

    async def write(
        self, name: str, documents: Sequence[orbit.Document], vectors: Vectors, parts: Mapping[str, int]
    ) -> None:
        """Write passages. ``parts`` holds the number of all passages of each source."""
        metadatas: Any = to_metadatas(documents, parts)
        await self.use(
            name,
            vectors.shape[1],
            lambda collection, origin: collection.upsert(
                ids=[document.id for document in documents],
                embeddings=_comparable(vectors, origin),
                documents=[document.text for document in documents],
                metadatas=metadatas,
            ),
            write=True,
        )

    async def of_sources(self, name: str, sources: Sequence[str]) -> Sequence[orbit.Document]:
        """Return the passages of some sources, source by source, in the order in which they were added."""

        def work(client: ClientAPI) -> list[orbit.Document]:
            handle = client.get_collection(name, embedding_function=None)
            found: list[orbit.Document] = []
            for some in batched(sources, DELETE_SIZE):
                wanted: Any = {"$in": list(some)}
                found += stored(handle.get(where=_named(wanted), include=["documents", "metadatas"]))
            places = {source: place for place, source in enumerate(sources)}
            return sorted((one for one in found if one.source in places), key=lambda one: places[one.source])

        return await self.read(name, work)

    async def ids(self, name: str, sources: Sequence[str], dimension: int | None = None) -> dict[str, str]:
        """Return the ids of all passages of some sources, each with its source."""
        return await self.use(name, dimension, lambda handle, origin: _ids(handle, origin, sources))

    async def delete(self, name: str, ids: Sequence[str], context: orbit.CallContext | None = None) -> None:
        """Delete passages by their ids."""
        for some in batched(ids, DELETE_SIZE):
            await self.use(name, None, partial(_delete, ids=list(some)), write=True)
            if context is not None and context.progress is not None:
                context.progress(0)

    async def digests(self, name: str) -> Mapping[str, str]:
        """Return each source with its digest, from the metadata of all passages.

        This takes seconds for tens of thousands, so the result is cached until someone writes, if that can be detected.
        """
        embedding, writes = await self.embedding(name), self._connection.writes()
        known = self._sources.get(name)
        if writes is not None and known is not None and known[0] == writes:
            return known[1]
        sources = await self.read(name, lambda client: self._collections.use(client, name, embedding, None, _digests))
        if writes is not None and writes == self._connection.writes():
            self._sources[name] = (writes, sources)
        return sources

    async def all(self) -> Sequence[orbit.Collection]:
        """Return all collections, including those of other programs."""
        return await self._connection.read(_all)

    async def make(self, name: str, embedding: str, dimension: int, *, adopted: bool = False) -> None:
        """Create a collection unless it exists. ``adopted``: its records may lack ORBIT's metadata."""
        await self._connection.write(
            lambda client: self._collections.make(client, name, embedding, dimension, adopted=adopted)
        )

    async def mark(self, name: str, embedding: str, dimension: int) -> None:
        """Record the model of a collection that another program created."""
        await self._connection.write(lambda client: self._collections.mark(client, name, embedding, dimension))

    async def replace(self, name: str, work: Callable[[ClientAPI], object], *others: str) -> bool:
        """Run ``work``, which deletes or renames a collection; ``others`` are affected, too. False if it is missing."""
        for one in (name, *others):
            self._collections.forget(one)
            self._sources.pop(one, None)
            self._embeddings.pop(one, None)
        try:
            await self._connection.write(work)
        except Missing:
            return False
        return True

    async def most(self) -> int:
        """Return how many passages the database takes in one write."""
        return await self._connection.read(lambda client: client.get_max_batch_size())

    async def read(self, name: str, work: Callable[[ClientAPI], T]) -> T:
        """Run ``work`` on a collection without checking its vectors."""
        try:
            return await self._connection.read(work)
        except Missing as error:
            raise NoCollection(name) from error

    async def use(
        self, name: str, dimension: int | None, work: Callable[[Collection, Origin], T], *, write: bool = False
    ) -> T:
        """Pass the checked collection to ``work``, in a thread."""
        embedding = await self.embedding(name)
        run = self._connection.write if write else self._connection.read
        try:
            return await run(lambda client: self._collections.use(client, name, embedding, dimension, work))
        except orbit.ProviderError as error:
            self._embeddings.pop(name, None)  # another process may have embedded it again
            if isinstance(error, Missing):
                raise NoCollection(name) from error
            raise


def _delete(collection: Collection, _: Origin, ids: list[str]) -> None:
    collection.delete(ids=ids)


def _comparable(vectors: Vectors, origin: Origin) -> Vectors:
    """Return the vectors at length 1 for the metrics that depend on length."""
    return vectors if origin.metric == METRIC else normalized(vectors)


def _named(wanted: Any) -> Any:
    """Return the condition for the records of some sources, whatever program wrote them."""
    return {"$or": [{key: wanted} for key in (SOURCE, *foreign.SOURCES)]}


def _ids(collection: Collection, origin: Origin, sources: Sequence[str]) -> dict[str, str]:
    """Return the ids of the records of some sources, but not of files in several folders that have one name."""
    found: dict[str, str] = {}
    paths: dict[str, set[str]] = {source: set() for source in sources}
    for some in batched(sources, DELETE_SIZE):
        wanted = {"$in": list(some)}
        where: Any = _named(wanted) if origin.adopted else {SOURCE: wanted}
        page = collection.get(where=where, include=["metadatas"])
        for record_id, metadata in zip(page["ids"], page["metadatas"] or (), strict=True):
            source = source_of(metadata or {})
            if source in paths:
                found[record_id] = source
                paths[source].add(foreign.path(metadata or {}))
    return {record_id: source for record_id, source in found.items() if len(paths[source] - {""}) < _SEVERAL}


def _digests(collection: Collection, origin: Origin) -> dict[str, str]:
    keys = (SOURCE, DIGEST, PARTS, *(foreign.SOURCES if origin.adopted else ()))
    marks: list[dict[str, Any]] = []
    while True:
        page = collection.get(include=["metadatas"], limit=READ_SIZE, offset=len(marks))
        marks.extend(
            {key: (metadata or {}).get(key) for key in keys if key in (metadata or {})}
            for metadata in page["metadatas"] or ()
        )
        if len(page["ids"]) < READ_SIZE:
            return digests(marks)


def _all(client: ClientAPI) -> list[orbit.Collection]:
    described = [(collection, Origin.of(collection)) for collection in client.list_collections()]
    return sorted(
        (
            orbit.Collection(
                name=collection.name,
                documents=collection.count(),
                embedding=origin.embedding,
                dimension=origin.dimension,
            )
            for collection, origin in described
        ),
        key=lambda collection: collection.name,
    )
