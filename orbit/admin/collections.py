"""Administration of collections, for the HTTP routes and the command line."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

import msgspec

from orbit.admin.names import check_name
from orbit.admin.wire import Body
from orbit.config.collection_names import NEXT
from orbit.database.base import Database
from orbit.database.keys import KeyChanges
from orbit.documents import Origins
from orbit.errors import OrbitError
from orbit.host.documents.stores import Completed
from orbit.host.host import OrbitHost
from orbit.stores import PREVIOUS
from orbit.types import CallContext, Collection

logger = logging.getLogger("orbit.admin")


class UnknownDocument(OrbitError):
    """The collection or the document does not exist."""

    code = "unknown_document"


class CollectionExists(OrbitError):
    """Another collection has this name."""

    code = "collection_exists"


class EmptyCollection(OrbitError):
    """There is nothing to copy."""

    code = "empty_collection"


class CollectionInfo(msgspec.Struct, frozen=True):
    """A collection: its passages, the model that its vectors were made with, and the API keys that name it."""

    name: str
    passages: int
    embedding: str
    dimension: int | None
    keys: int = 0


class CollectionDetails(CollectionInfo, frozen=True):
    """A collection with its documents. The ingestion of ``incomplete`` ones was interrupted."""

    documents: int = 0
    incomplete: tuple[str, ...] = ()


class StoredDocument(msgspec.Struct, frozen=True):
    """A file of a collection. If it is not ``complete``, its ingestion was interrupted."""

    source: str
    complete: bool


class DocumentPage(msgspec.Struct, frozen=True):
    """Documents by name. ``total`` counts the collection, ``found`` the documents that match."""

    total: int
    found: int
    documents: list[StoredDocument]


class NewName(Body, frozen=True):
    """The name of a copy, or another name of a collection."""

    name: str


class Moved(msgspec.Struct, frozen=True):
    """A collection that was renamed, copied or embedded again.

    ``keys`` counts the API keys that follow a new name. ``previous`` names the collection that was replaced, if any.
    ``default`` says that the configuration still names the old one as the default collection of a provider.
    """

    collection: str
    passages: int
    embedding: str = ""
    keys: int = 0
    previous: str = ""
    default: bool = False


class CopyProgress(msgspec.Struct, frozen=True):
    """Passages copied or embedded by this run, and all of the collection."""

    passages: int
    total: int


Tell = Callable[[CopyProgress], None]


class Collections:
    """The collections of a host, and the keys that name them. Methods raise OrbitError."""

    def __init__(self, host: OrbitHost, database: Database, request_id: str = "orbit-collections") -> None:
        self._host = host
        self._database = database
        self._request_id = request_id

    async def every(self) -> list[CollectionInfo]:
        """Return all collections, by name."""
        keys = await self._keys()
        found = await self._host.list_collections(self._context()) if self._host.stores.names else ()
        return [_info(one, len(keys.get(one.name, ()))) for one in found]

    async def show(self, name: str) -> CollectionDetails:
        """Return one collection in full."""
        one = await self._find(name)
        sources = await self._host.list_sources(name, self._context(name))
        incomplete = tuple(sorted(source for source, digest in sources.items() if not digest))
        fields = msgspec.structs.asdict(_info(one, len((await self._keys()).get(name, ()))))
        return CollectionDetails(**fields, documents=len(sources), incomplete=incomplete)

    async def documents(self, name: str, contains: str = "", after: str = "", limit: int | None = None) -> DocumentPage:
        """Return the documents of a collection whose names contain a text, from the one after ``after`` on."""
        stored = await self._host.list_sources(name, self._context(name))
        wanted = sorted(source for source in stored if contains.casefold() in source.casefold())
        page = [source for source in wanted if source > after][:limit]
        return DocumentPage(len(stored), len(wanted), [StoredDocument(one, bool(stored[one])) for one in page])

    async def remove(self, name: str, sources: Sequence[str]) -> int:
        """Delete the passages of some documents, and return how many of these there were."""
        gone = await self._host.forget(name, sources, self._context(name))
        if not gone:
            raise UnknownDocument(f"Collection '{name}' has no document '{sources[0]}'.")
        logger.info("removed %d documents from collection %s: %s", gone, name, ", ".join(sources))
        return gone

    async def drop(self, name: str) -> None:
        """Delete a collection, an unfinished copy under its name, and the one that it has replaced."""
        named = await self._named()
        names = [name, *(name + end for end in (NEXT, PREVIOUS) if name + end in named)]
        dropped = [await self._host.drop(one, self._context(one)) for one in names]
        if not any(dropped):
            raise self._unknown(name)
        logger.info("deleted collection %s", name)

    async def complete(self, name: str, tell: Callable[[int, int], None] = lambda _, __: None) -> Completed:
        """Write what one store holds into those that lack it. ``tell`` gets the documents done, and all of them."""
        await self._find(name)
        completed = await self._host.complete(name, self._context(name), tell)
        logger.info("completed collection %s: %d documents", name, len(completed.written))
        return completed

    async def rename(self, name: str, new_name: str) -> Moved:
        """Rename a collection; keys that name it follow. After an interruption, renaming again completes it."""
        check_name(new_name)
        named = await self._named()
        if name in named:
            if new_name in named:
                raise CollectionExists(f"There is a collection '{new_name}' already.")
            await self._host.rename(name, new_name, self._context(name))
        elif new_name not in named or name not in await self._keys():
            raise self._unknown(name)
        await asyncio.to_thread(Origins.of(self._host.data_dir).rename, name, new_name)
        followed = await self._follow(name, new_name)
        logger.info("renamed collection %s to %s; %d keys follow", name, new_name, followed)
        found = await self._find(new_name)
        return Moved(new_name, found.documents, found.embedding, followed, default=self._is_default(name))

    async def copy(self, name: str, target: str, tell: Tell | None = None) -> Moved:
        """Copy a collection. After an interruption, copying again continues where it stopped.

        Its vectors are those of the same model, or if that is not enabled, of the one in use.
        """
        check_name(target)
        if target in await self._named():
            raise CollectionExists(f"There is a collection '{target}' already.")
        own = (await self._find(name)).embedding
        embedding = own if own and self._host.embeds(own) else self._host.embedding
        passages = await self._complete(name, target + NEXT, embedding, tell)
        await self._host.rename(target + NEXT, target, self._context(target))
        await asyncio.to_thread(Origins.of(self._host.data_dir).copy, name, target)
        logger.info("copied collection %s to %s", name, target)
        return Moved(target, passages, embedding)

    async def re_embed(self, name: str, tell: Tell | None = None) -> Moved:
        """Give a collection vectors of the embedding in use.

        Until they are complete, all servers answer from the earlier vectors. From then on, only servers without the new
        model do, and find them in NAME.previous. After an interruption, embedding again continues where it stopped.
        """
        named, fresh, previous = await self._named(), name + NEXT, name + PREVIOUS
        if name in named:
            if named[name].embedding == self._host.embedding:
                return Moved(name, named[name].documents, named[name].embedding)
            await self._complete(name, fresh, self._host.embedding, tell)
            if previous in named:
                await self._host.drop(previous, self._context(previous))
            await self._host.rename(name, previous, self._context(name))
        elif not {fresh, previous} <= named.keys():  # both of them: it was interrupted here
            raise self._unknown(name)
        await self._host.rename(fresh, name, self._context(name))
        found = await self._find(name)
        logger.info("collection %s has vectors of %s now, %s those of before", name, found.embedding, previous)
        return Moved(name, found.documents, found.embedding, previous=previous)

    async def _complete(self, name: str, target: str, embedding: str, tell: Tell | None) -> int:
        """Copy a collection, or what is left of it. A copy that was begun with another model begins anew."""
        named = await self._named()
        if target in named and named[target].embedding not in ("", embedding):
            await self._host.drop(target, self._context(target))
            del named[target]
        total = named[name].documents
        if not total:
            raise EmptyCollection(f"Collection '{name}' has no passages.")
        done = named[target].documents if target in named else 0

        def report(passages: int) -> None:
            nonlocal done
            done = min(done + passages, total)
            if tell is not None:
                tell(CopyProgress(done, total))

        report(0)
        context = msgspec.structs.replace(self._context(name), progress=report)
        return await self._host.copy(name, target, embedding, context)

    async def _follow(self, name: str, new_name: str) -> int:
        keys = (await self._keys()).get(name, [])
        for key in keys:
            await self._database.update_key(key, KeyChanges(collection_name=new_name))
        return len(keys)

    async def _keys(self) -> dict[str, list[str]]:
        """Return the ids of the keys that name a collection, by its name."""
        named: dict[str, list[str]] = {}
        async for key in self._database.all_keys():
            if key.collection_name:
                named.setdefault(key.collection_name, []).append(key.id)
        return named

    async def _named(self) -> dict[str, Collection]:
        return {one.name: one for one in await self._host.list_collections(self._context())}

    async def _find(self, name: str) -> Collection:
        found = (await self._named()).get(name)
        if found is None:
            raise self._unknown(name)
        return found

    def _unknown(self, name: str) -> UnknownDocument:
        return UnknownDocument(f"There is no collection '{name}'.")

    def _is_default(self, name: str) -> bool:
        registry = self._host.registry
        return any(registry[provider].default_collection() == name for provider in registry.names())

    def _context(self, collection: str | None = None) -> CallContext:
        return CallContext(self._request_id, client_name="admin", collection=collection)


def _info(one: Collection, keys: int) -> CollectionInfo:
    return CollectionInfo(one.name, one.documents, one.embedding, one.dimension, keys)
