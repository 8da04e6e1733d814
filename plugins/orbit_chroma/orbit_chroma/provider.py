"""The provider: ORBIT's hooks on a Chroma database."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import msgspec

import orbit
from orbit.filters import first_allowed
from orbit.thresholds import good_enough
from orbit_chroma import adoption, copying
from orbit_chroma.collections import METRIC, Collections, Origin
from orbit_chroma.conditions import where_of
from orbit_chroma.connection import Connection
from orbit_chroma.copying import READ_SIZE
from orbit_chroma.embedded import Embedded
from orbit_chroma.records import (
    DIGEST,
    FOREIGN_SOURCE,
    PARTS,
    SOURCE,
    digests,
    source_of,
    stored,
    to_documents,
    to_metadatas,
)
from orbit_chroma.server import Server
from orbit_chroma.settings import ChromaSettings, name_problem
from orbit_chroma.vector_file import VectorFile, batched

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection

    from orbit import Vectors

T = TypeVar("T")

logger = logging.getLogger("orbit.chroma")

WRITE_SIZE = 1_000
"""Documents per write. Chroma writes them a third faster than in batches of 128, and hardly faster in larger ones."""

WRITE_NUMBERS = 1_500_000
"""Numbers in the vectors of one write: servers refuse requests of more than 40 MiB."""

DELETE_SIZE = 1_000
"""Ids per delete: the database limits the variables of a statement."""


class ChromaProvider(orbit.Provider):
    """Searches and writes one Chroma database. Every API key has its collection."""

    Settings = ChromaSettings
    settings: ChromaSettings

    def __init__(self, name: str, settings: msgspec.Struct, host: orbit.Host) -> None:
        """Store the arguments; ``__aenter__`` opens the database."""
        super().__init__(name, settings, host)
        self._opened: Connection | None = None
        self._collections = Collections()
        self._writing = asyncio.Lock()
        self._sources: dict[str, tuple[int, Mapping[str, str]]] = {}
        self._embeddings: dict[str, tuple[str, str]] = {}
        self._replaced: set[str] = set()

    async def __aenter__(self) -> Self:
        """Open the database. If the server is unreachable, each use tries again."""
        self._opened = Connection(Server(self.settings) if self.settings.host else Embedded(self._folder()))
        try:
            await self._opened.read(lambda client: client.heartbeat())
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
        connection, self._opened = self._opened, None
        if connection is not None:
            await connection.close()

    async def ready(self) -> None:
        """Reject a default collection whose vectors are not comparable with the embedding provider's."""
        embedding = self.host.embedding
        if not embedding:
            raise orbit.ConfigError(
                f"{self.name} needs a provider that embeds, but none is enabled; enable one, for example with a "
                "section 'onnx:'."
            )
        name = self.settings.collection
        if not name:
            return
        try:
            origin = await self._connection.read(lambda client: self._collections.origin(client, name))
            previous = await self._connection.read(
                lambda client: self._collections.origin(client, name + copying.PREVIOUS)
            )
        except orbit.ProviderError as error:
            if error.retryable:  # already logged on opening; each use checks the collection anyway
                return
            raise
        if previous is not None and not previous.problem(name, self._chosen(previous)):
            return  # a newer model has replaced it, and this server still has the earlier one
        if origin is not None and (problem := origin.problem(name, self._chosen(origin))):
            raise orbit.ConfigError([orbit.Problem(f"{self.name}.collection", problem)])

    async def health(self) -> orbit.Health:
        """Check that the database responds."""
        try:
            await self._connection.read(lambda client: client.heartbeat())
        except orbit.ProviderError as error:
            return orbit.Health("down", error.message)
        return orbit.Health()

    def validate(self) -> Iterable[str]:
        """Yield values that cannot be intended."""
        yield from self.settings.problems()
        if not self.settings.host:
            folder = self._folder()
            there = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
            if not there.is_dir():
                yield f"path: {folder} cannot be a folder, because {there} is not one"

    def needs(self) -> Iterable[orbit.Need]:
        """Return ``embed``, for questions and passages."""
        return (orbit.Need("embed"),)

    def filters(self) -> bool:
        """Return True: Chroma keeps readers, and searches by them and by metadata."""
        return True

    def default_collection(self) -> str:
        """Return the collection for keys without one."""
        return self.settings.collection

    def exclusive(self) -> str:
        """Return why an embedded database must belong to one process: others would read stale vectors."""
        if self.settings.host:
            return ""
        return (
            f"{self.name} runs its Chroma database inside the process, so other workers would read stale vectors; "
            "run a Chroma server ('chroma run') and set host and port, or use one worker"
        )

    def folders(self) -> Iterable[Path]:
        """Return the folder of an embedded database: two servers on it would keep reopening it."""
        return () if self.settings.host else (self._folder(),)

    @orbit.hookimpl
    async def retrieve(self, query: orbit.Query, limit: int, context: orbit.CallContext) -> Sequence[orbit.Document]:
        """Search the key's collection, or the default one, for the passages nearest to the question."""
        name = query.collection or self.settings.collection
        if not name:
            return []
        try:
            return await self._search(name, query, limit, context)
        except orbit.ProviderError as error:
            if error.retryable:
                raise
            try:  # the vectors of an earlier model, if only that is enabled here
                found = await self._search(name + copying.PREVIOUS, query, limit, context)
            except orbit.ProviderError:
                raise error from None
        if name not in self._replaced:
            self._replaced.add(name)
            logger.warning(
                "%s answers from %s%s, because %s has vectors of a model that is not enabled here. Enable it",
                *(self.name, name, copying.PREVIOUS, name),
            )
        return found

    async def _search(
        self, name: str, query: orbit.Query, limit: int, context: orbit.CallContext
    ) -> Sequence[orbit.Document]:
        embedding = await self._embedding(name)
        if name not in self._embeddings:  # do not embed for nothing
            raise _missing(name)
        vectors = await self.host.embed([query.text], "query", context, embedding)

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

        found = await self._use(name, vectors.shape[1], work)
        return good_enough(found, self.settings, compared=query.compared)[:limit]

    @orbit.hookimpl
    async def index(self, collection: str, documents: Sequence[orbit.Document], context: orbit.CallContext) -> int:
        """Embed all documents of some sources, write them, then delete the sources' earlier documents.

        The sources' earlier documents answer alone while the model embeds. If the writing is interrupted, the old and
        the new passages exist, and ``list_sources`` returns no digest for the sources.
        """
        ids = {document.id for document in documents}
        if len(ids) != len(documents):
            twice = next(one for one, count in Counter(document.id for document in documents).items() if count > 1)
            raise orbit.ProviderError(f"two documents have the id '{twice}'")
        if not documents:
            return 0
        if problem := name_problem(collection):
            raise orbit.ProviderError(problem)
        embedding = await self._embedding(collection)
        with VectorFile() as embedded:
            for some in batched(documents, WRITE_SIZE):
                texts = [document.text for document in some]
                embedded.append(await self.host.embed(texts, "document", context, embedding))
            async with self._writing:
                await self._replace(collection, documents, ids, embedded, context)
        return len(documents)

    async def _replace(
        self,
        name: str,
        documents: Sequence[orbit.Document],
        ids: AbstractSet[str],
        embedded: VectorFile,
        context: orbit.CallContext,
    ) -> None:
        dimension = embedded.dimension
        parts = Counter(document.source for document in documents)
        await self._make(name, dimension)
        old = await self._records_of(name, dimension, list(parts))
        most = await self._connection.read(lambda client: client.get_max_batch_size())
        for some in batched(documents, max(1, min(WRITE_SIZE, most, WRITE_NUMBERS // dimension))):
            await self._write(name, some, embedded.read(len(some)), parts)
            if context.progress is not None:
                context.progress(0)
        await self._delete(name, sorted(old.keys() - ids), context)

    @orbit.hookimpl
    async def drop(self, collection: str) -> bool:
        """Delete a collection."""
        from chromadb.errors import NotFoundError  # noqa: PLC0415 - importing a plugin stays light

        self._forget_cached(collection)
        try:
            await self._connection.write(lambda client: client.delete_collection(collection))
        except NotFoundError:
            return False
        return True

    @orbit.hookimpl
    async def forget(self, collection: str, sources: Sequence[str]) -> int:
        """Delete the records of some sources."""
        async with self._writing:
            try:
                found = await self._records_of(collection, None, sources)
            except orbit.ProviderError as error:
                if error.kind == "not_found":
                    return 0
                raise
            await self._delete(collection, sorted(found), None)
        return len(set(found.values()))

    @orbit.hookimpl
    async def copy(self, collection: str, target: str, embedding: str, context: orbit.CallContext) -> int:
        """Copy a collection, with its vectors if ``embedding`` made them, else with new ones."""
        from chromadb.errors import NotFoundError  # noqa: PLC0415 - importing a plugin stays light

        for name in (collection, target):
            if problem := name_problem(name):
                raise orbit.ProviderError(problem)
        while True:  # until nothing has changed while it was copied
            try:
                plan = await self._connection.read(lambda client: copying.plan(client, collection, target))
            except NotFoundError:
                return 0
            if not plan.missing and not plan.surplus:
                return plan.total
            for ids in batched(plan.missing, WRITE_SIZE):
                await self._copy(collection, target, ids, embedding, plan.origin, context)
            await self._delete(target, plan.surplus, context)

    async def _copy(
        self,
        name: str,
        target: str,
        ids: Sequence[str],
        embedding: str,
        origin: Origin,
        context: orbit.CallContext,
    ) -> None:
        fits = not origin.problem(name, embedding)
        records = await self._connection.read(lambda client: copying.read(client, name, ids, vectors=fits))
        if not records.ids:
            return
        vectors = (
            copying.unit(records.vectors)
            if fits
            else await self.host.embed(records.texts, "document", context, embedding)
        )
        dimension = int(vectors.shape[1])
        await self._connection.write(
            lambda client: self._collections.make(client, target, embedding, dimension, adopted=not origin.own)
        )
        rows = max(1, WRITE_NUMBERS // dimension)
        for start in range(0, len(records.ids), rows):
            part = slice(start, start + rows)
            await self._use(target, dimension, partial(copying.write, records, vectors, part), write=True)
            if context.progress is not None:
                context.progress(len(records.ids[part]) if fits else 0)

    @orbit.hookimpl
    async def rename(self, collection: str, new_name: str) -> bool:
        """Rename a collection; its vectors stay where they are."""
        from chromadb.errors import NotFoundError  # noqa: PLC0415 - importing a plugin stays light

        if problem := name_problem(new_name):
            raise orbit.ProviderError(problem)

        def work(client: ClientAPI) -> None:
            handle = client.get_collection(collection, embedding_function=None)
            try:
                client.get_collection(new_name, embedding_function=None)
            except NotFoundError:
                handle.modify(name=new_name)
            else:
                raise orbit.ProviderError(f"The collection '{new_name}' exists.", kind="rejected")

        self._forget_cached(collection, new_name)
        try:
            await self._connection.write(work)
        except NotFoundError:
            return False
        return True

    @orbit.hookimpl
    async def list_sources(self, collection: str) -> Mapping[str, str]:
        """Read the digests from the metadata of all records.

        This takes seconds for tens of thousands, so the result is cached until someone writes, if that can be detected.
        """
        from chromadb.errors import NotFoundError  # noqa: PLC0415 - importing a plugin stays light

        embedding, writes = await self._embedding(collection), self._connection.writes()
        known = self._sources.get(collection)
        if writes is not None and known is not None and known[0] == writes:
            return known[1]
        try:
            sources = await self._connection.read(
                lambda client: self._collections.use(client, collection, embedding, None, _digests)
            )
        except NotFoundError:
            return {}
        if writes is not None and writes == self._connection.writes():
            self._sources[collection] = (writes, sources)
        return sources

    @orbit.hookimpl
    async def list_passages(self, collection: str, sources: Sequence[str]) -> Sequence[orbit.Document]:
        """Read the records of some sources, which Chroma gives in the order in which they were added."""
        from chromadb.errors import NotFoundError  # noqa: PLC0415 - importing a plugin stays light

        def work(client: ClientAPI) -> list[orbit.Document]:
            handle = client.get_collection(collection, embedding_function=None)
            found: list[orbit.Document] = []
            for some in batched(sources, DELETE_SIZE):
                wanted: Any = {"$in": list(some)}
                either: Any = {"$or": [{SOURCE: wanted}, {FOREIGN_SOURCE: wanted}]}
                found += stored(handle.get(where=either, include=["documents", "metadatas"]))
            places = {source: place for place, source in enumerate(sources)}
            return sorted((one for one in found if one.source in places), key=lambda one: places[one.source])

        try:
            return await self._connection.read(work)
        except NotFoundError:
            return []

    @orbit.hookimpl
    async def list_collections(self) -> Sequence[orbit.Collection]:
        """Return all collections, including those of other programs."""
        return await self._connection.read(_collections)

    @orbit.hookimpl
    async def adopt(self, collection: str, context: orbit.CallContext) -> orbit.Collection:
        """Compare a sample of the collection's vectors with the embedding in use, then record that embedding."""
        from chromadb.errors import NotFoundError  # noqa: PLC0415 - importing a plugin stays light

        embedding = self.host.embedding

        def look(client: ClientAPI) -> tuple[Origin, adoption.Sample]:
            handle = client.get_collection(collection, embedding_function=None)
            return Origin.of(handle), adoption.take_sample(handle)

        try:
            origin, sample = await self._connection.read(look)
        except NotFoundError as error:
            raise orbit.ProviderError(f"The collection '{collection}' does not exist.", kind="not_found") from error
        if origin.embedding and origin.embedding != embedding:
            raise orbit.ProviderError(origin.problem(collection, embedding))
        again = await self.host.embed(sample.texts or ["ORBIT"], "document", context)
        if sample.texts and (problem := adoption.problem(sample, again, origin.metric, embedding)):
            raise orbit.ProviderError(f"Collection '{collection}' cannot be adopted: {problem}.")
        if not origin.embedding or (origin.metric != METRIC and not origin.adopted):
            await self._connection.write(
                lambda client: self._collections.mark(client, collection, embedding, int(again.shape[1]))
            )
        return next(one for one in await self.list_collections() if one.name == collection)

    def _forget_cached(self, *names: str) -> None:
        """Forget what is cached of collections that another one replaces."""
        for name in names:
            self._collections.forget(name)
            self._sources.pop(name, None)
            self._embeddings.pop(name, None)

    def _folder(self) -> Path:
        return self.host.data_dir / Path(self.settings.path).expanduser()

    @property
    def _connection(self) -> Connection:
        if self._opened is None:
            raise orbit.ProviderError("the database is not open", kind="unavailable")
        return self._opened

    async def _use(
        self, name: str, dimension: int | None, work: Callable[[Collection, Origin], T], *, write: bool = False
    ) -> T:
        """Pass the checked collection to ``work``, in a thread."""
        from chromadb.errors import NotFoundError  # noqa: PLC0415 - importing a plugin stays light

        embedding = await self._embedding(name)
        run = self._connection.write if write else self._connection.read
        try:
            return await run(lambda client: self._collections.use(client, name, embedding, dimension, work))
        except orbit.ProviderError:
            self._embeddings.pop(name, None)  # another process may have embedded it again
            raise
        except NotFoundError as error:
            self._embeddings.pop(name, None)
            raise _missing(name) from error

    async def _embedding(self, name: str) -> str:
        """Return the model of a collection's vectors: the one that it records, if that is enabled."""
        in_use = self.host.embedding
        known = self._embeddings.get(name)
        if known is not None and known[0] == in_use:
            return known[1]
        origin = await self._connection.read(lambda client: self._collections.origin(client, name))
        chosen = self._chosen(origin)
        if origin is not None:
            self._embeddings[name] = (in_use, chosen)
        return chosen

    def _chosen(self, origin: Origin | None) -> str:
        own = "" if origin is None else origin.embedding
        return own if own and self.host.embeds(own) else self.host.embedding

    async def _make(self, name: str, dimension: int) -> None:
        embedding = await self._embedding(name)
        await self._connection.write(lambda client: self._collections.make(client, name, embedding, dimension))

    async def _write(
        self, name: str, documents: Sequence[orbit.Document], vectors: Vectors, parts: Mapping[str, int]
    ) -> None:
        metadatas: Any = to_metadatas(documents, parts)
        await self._use(
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

    async def _records_of(self, name: str, dimension: int | None, sources: Sequence[str]) -> dict[str, str]:
        return await self._use(name, dimension, lambda handle, origin: _records_of(handle, origin, sources))

    async def _delete(self, name: str, ids: Sequence[str], context: orbit.CallContext | None) -> None:
        for some in batched(ids, DELETE_SIZE):
            await self._use(name, None, partial(_delete, ids=list(some)), write=True)
            if context is not None and context.progress is not None:
                context.progress(0)


def _delete(collection: Collection, _: Origin, ids: list[str]) -> None:
    collection.delete(ids=ids)


def _comparable(vectors: Vectors, origin: Origin) -> Vectors:
    """Return the vectors at length 1 for the metrics that depend on length."""
    return vectors if origin.metric == METRIC else adoption.normalized(vectors)


def _records_of(collection: Collection, origin: Origin, sources: Sequence[str]) -> dict[str, str]:
    """Return the ids of all records of some sources, each with its source."""
    found: dict[str, str] = {}
    known = frozenset(sources)
    for some in batched(sources, DELETE_SIZE):
        wanted = {"$in": list(some)}
        where: Any = {"$or": [{SOURCE: wanted}, {FOREIGN_SOURCE: wanted}]} if origin.adopted else {SOURCE: wanted}
        page = collection.get(where=where, include=["metadatas"])
        for record_id, metadata in zip(page["ids"], page["metadatas"] or (), strict=True):
            source = source_of(metadata or {})
            if source in known:
                found[record_id] = source
    return found


def _digests(collection: Collection, origin: Origin) -> dict[str, str]:
    """Return each source of a collection with its digest."""
    keys = (SOURCE, DIGEST, PARTS, *([FOREIGN_SOURCE] if origin.adopted else []))
    marks: list[dict[str, Any]] = []
    while True:
        page = collection.get(include=["metadatas"], limit=READ_SIZE, offset=len(marks))
        marks.extend(
            {key: (metadata or {}).get(key) for key in keys if key in (metadata or {})}
            for metadata in page["metadatas"] or ()
        )
        if len(page["ids"]) < READ_SIZE:
            return digests(marks)


def _collections(client: ClientAPI) -> list[orbit.Collection]:
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


def _missing(name: str) -> orbit.ProviderError:
    sentence = (
        f"The collection '{name}' does not exist. Ingest documents into it: orbit ingest PATH --collection {name}"
    )
    return orbit.ProviderError(sentence, kind="not_found")
