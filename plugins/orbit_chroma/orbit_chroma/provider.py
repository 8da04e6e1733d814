"""The provider: ORBIT's hooks on a Chroma database."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

import orbit
from orbit.stores import NoCollection, VectorStore, refuse_equal_ids
from orbit.upstreams import without_effect
from orbit_chroma import adoption, copying
from orbit_chroma.collections import METRIC, Origin
from orbit_chroma.embedded import Embedded
from orbit_chroma.passages import Passages
from orbit_chroma.server import Server
from orbit_chroma.settings import ChromaSettings, name_problem
from orbit_chroma.vector_file import VectorFile, batched

if TYPE_CHECKING:
    from chromadb.api import ClientAPI

_OF_SERVERS = ("port", "ssl", "ca_certs", "verify_certs", "proxy", "headers", "tenant", "database", "timeout")
WRITE_SIZE = 1_000
"""Documents per write. Chroma writes them a third faster than in batches of 128, and hardly faster in larger ones."""

WRITE_NUMBERS = 1_500_000
"""Numbers in the vectors of one write: servers refuse requests of more than 40 MiB."""


class ChromaProvider(VectorStore[Passages]):
    """Searches and writes one Chroma database. Every API key has its collection."""

    Settings = ChromaSettings
    settings: ChromaSettings

    def __init__(self, name: str, settings: msgspec.Struct, host: orbit.Host) -> None:
        """Store the arguments; ``__aenter__`` opens the database."""
        super().__init__(name, settings, host)
        self._writing = asyncio.Lock()

    def open(self) -> Passages:
        """Return the database, embedded or on a server."""
        database = Server(self.settings) if self.settings.host else Embedded(self._folder())
        return Passages(database, self.host, self.chosen)

    async def problem(self, collection: str) -> str | None:
        """Return why the vectors of a collection are not comparable with new ones."""
        origin = await self.database.origin(collection)
        return None if origin is None else origin.problem(collection, self.chosen(origin.embedding))

    def validate(self) -> Iterable[str]:
        """Yield values that cannot be intended."""
        yield from self.settings.problems()
        if not self.settings.host:
            folder = self._folder()
            there = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
            if not there.is_dir():
                yield f"path: {folder} cannot be a folder, because {there} is not one"

    def remarks(self) -> Iterable[str]:
        """Yield settings of the other kind of database."""
        if self.settings.host:
            yield from without_effect(self.settings, ("path",), "host names a server")
        else:
            yield from without_effect(
                self.settings, _OF_SERVERS, "no host is set, so the database is the folder in path"
            )

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

    async def find(
        self, collection: str, query: orbit.Query, limit: int, context: orbit.CallContext
    ) -> Sequence[orbit.Document]:
        """Return the nearest passages of a collection, best first."""
        embedding = await self.database.embedding(collection)
        if not self.database.knows(collection):  # do not embed for nothing
            raise NoCollection(collection)
        vectors = await self.host.embed([query.text], "query", context, embedding)
        return await self.database.search(collection, query, limit, vectors)

    @orbit.hookimpl
    async def index(self, collection: str, documents: Sequence[orbit.Document], context: orbit.CallContext) -> int:
        """Embed all documents of some sources, write them, then delete the sources' earlier documents.

        The sources' earlier documents answer alone while the model embeds. If the writing is interrupted, the old and
        the new passages exist, and ``list_sources`` returns no digest for the sources.
        """
        refuse_equal_ids(documents)
        if not documents:
            return 0
        if problem := name_problem(collection):
            raise orbit.ProviderError(problem)
        embedding = await self.database.embedding(collection)
        with VectorFile() as embedded:
            for some in batched(documents, WRITE_SIZE):
                texts = [document.text for document in some]
                embedded.append(await self.host.embed(texts, "document", context, embedding))
            async with self._writing:
                await self._replace(collection, documents, embedded, context)
        return len(documents)

    async def _replace(
        self, name: str, documents: Sequence[orbit.Document], embedded: VectorFile, context: orbit.CallContext
    ) -> None:
        dimension = embedded.dimension
        parts = Counter(document.source for document in documents)
        await self.database.make(name, await self.database.embedding(name), dimension)
        old = await self.database.ids(name, list(parts), dimension)
        most = await self.database.most()
        for some in batched(documents, max(1, min(WRITE_SIZE, most, WRITE_NUMBERS // dimension))):
            await self.database.write(name, some, embedded.read(len(some)), parts)
            if context.progress is not None:
                context.progress(0)
        await self.database.delete(name, sorted(old.keys() - {document.id for document in documents}), context)

    @orbit.hookimpl
    async def drop(self, collection: str) -> bool:
        """Delete a collection."""
        return await self.database.replace(collection, lambda client: client.delete_collection(collection))

    @orbit.hookimpl
    async def forget(self, collection: str, sources: Sequence[str]) -> int:
        """Delete the records of some sources."""
        async with self._writing:
            try:
                found = await self.database.ids(collection, sources)
            except NoCollection:
                return 0
            await self.database.delete(collection, sorted(found))
        return len(set(found.values()))

    @orbit.hookimpl
    async def copy(self, collection: str, target: str, embedding: str, context: orbit.CallContext) -> int:
        """Copy a collection, with its vectors if ``embedding`` made them, else with new ones."""
        for name in (collection, target):
            if problem := name_problem(name):
                raise orbit.ProviderError(problem)
        while True:  # until nothing has changed while it was copied
            try:
                plan = await self.database.read(collection, lambda client: copying.plan(client, collection, target))
            except NoCollection:
                return 0
            if not plan.missing and not plan.surplus:
                return plan.total
            for ids in batched(plan.missing, WRITE_SIZE):
                await self._copy(collection, target, ids, embedding, plan.origin, context)
            await self.database.delete(target, plan.surplus, context)

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
        records = await self.database.read(name, lambda client: copying.read(client, name, ids, vectors=fits))
        if not records.ids:
            return
        vectors = (
            copying.unit(records.vectors)
            if fits
            else await self.host.embed(records.texts, "document", context, embedding)
        )
        dimension = int(vectors.shape[1])
        await self.database.make(target, embedding, dimension, adopted=not origin.own)
        rows = max(1, WRITE_NUMBERS // dimension)
        for start in range(0, len(records.ids), rows):
            part = slice(start, start + rows)
            await self.database.use(target, dimension, partial(copying.write, records, vectors, part), write=True)
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

        return await self.database.replace(collection, work, new_name)

    @orbit.hookimpl
    async def list_sources(self, collection: str) -> Mapping[str, str]:
        """Return the digest of each source."""
        try:
            return await self.database.digests(collection)
        except NoCollection:
            return {}

    @orbit.hookimpl
    async def list_passages(self, collection: str, sources: Sequence[str]) -> Sequence[orbit.Document]:
        """Return the passages of some sources."""
        try:
            return await self.database.of_sources(collection, sources)
        except NoCollection:
            return []

    @orbit.hookimpl
    async def list_collections(self) -> Sequence[orbit.Collection]:
        """Return all collections, including those of other programs."""
        return await self.database.all()

    @orbit.hookimpl
    async def adopt(self, collection: str, context: orbit.CallContext) -> orbit.Collection:
        """Compare a sample of the collection's vectors with the embedding in use, then record that embedding."""
        embedding = self.host.embedding

        def look(client: ClientAPI) -> tuple[Origin, adoption.Sample]:
            handle = client.get_collection(collection, embedding_function=None)
            return Origin.of(handle), adoption.take_sample(handle)

        origin, sample = await self.database.read(collection, look)
        if origin.embedding and origin.embedding != embedding:
            raise orbit.ProviderError(origin.problem(collection, embedding))
        again = await self.host.embed(sample.texts or ["ORBIT"], "document", context)
        if sample.texts and (problem := adoption.problem(sample, again, origin.metric, embedding)):
            raise orbit.ProviderError(
                f"Collection '{collection}' cannot be adopted: {problem}. To embed its texts again, run: "
                f"orbit collections re-embed {collection}"
            )
        if not origin.embedding or (origin.metric != METRIC and not origin.adopted):
            await self.database.mark(collection, embedding, int(again.shape[1]))
        return next(one for one in await self.database.all() if one.name == collection)

    def _folder(self) -> Path:
        return self.host.data_dir / Path(self.settings.path).expanduser()
