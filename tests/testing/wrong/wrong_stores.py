"""Wrong in the hooks of a store, or in `retrieve`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from wrong_kit import Right, Service, Wrong, swallow

import orbit
from orbit import Collection, Document, Query, hookimpl
from orbit.filters import allowed, matches, readable


class RightStore(Right):
    """Keeps documents in memory; finds those that share words with the question."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.kept: dict[str, dict[str, list[Document]]] = {}

    @hookimpl
    async def index(self, collection: str, documents: Sequence[Document], context: orbit.CallContext) -> Any:
        await self.work()
        await self.host.embed([document.text for document in documents], "document", context)
        sources = self.kept.setdefault(collection, {})
        for source in {document.source for document in documents}:
            sources[source] = [document for document in documents if document.source == source]
        return len(documents)

    @hookimpl
    async def drop(self, collection: str) -> Any:
        return self.kept.pop(collection, None) is not None

    @hookimpl
    async def forget(self, collection: str, sources: Sequence[str]) -> Any:
        return sum(self.kept[collection].pop(source, None) is not None for source in sources)

    @hookimpl
    async def copy(self, collection: str, target: str) -> Any:
        self.kept[target] = dict(self.kept.get(collection, {}))
        return sum(map(len, self.kept[target].values()))

    @hookimpl
    async def rename(self, collection: str, new_name: str) -> Any:
        if collection not in self.kept:
            return False
        if new_name in self.kept:
            raise orbit.ProviderError(f"There is a collection '{new_name}' already.", kind="rejected")
        self.kept[new_name] = self.kept.pop(collection)
        return True

    @hookimpl
    async def list_sources(self, collection: str) -> Any:
        await self.work()
        return {source: found[0].digest for source, found in self.kept.get(collection, {}).items()}

    @hookimpl
    async def list_passages(self, collection: str, sources: Sequence[str]) -> Any:
        kept = self.kept.get(collection, {})
        return [document for source in sources for document in kept.get(source, ())]

    @hookimpl
    async def list_collections(self) -> Any:
        embedding = self.host.embedding
        return [Collection(name, sum(map(len, sources.values())), embedding) for name, sources in self.kept.items()]

    @hookimpl
    async def adopt(self, collection: str) -> Any:
        if collection in Service.foreign:
            for document in Service.foreign.pop(collection):
                self.kept.setdefault(collection, {}).setdefault(document.source, []).append(document)
        if collection not in self.kept:
            raise orbit.ProviderError(f"There is no collection '{collection}'.", kind="not_found")
        return next(one for one in await self.list_collections() if one.name == collection)

    @hookimpl
    async def retrieve(self, query: Query, limit: int, context: orbit.CallContext) -> Any:
        await self.work()
        return self.found(query)[:limit]

    def filters(self) -> bool:
        return True

    def found(self, query: Query) -> list[Any]:
        words = set(query.text.lower().split())
        stored = [document for kept in self.kept.get(query.collection or "", {}).values() for document in kept]
        stored = [document for document in stored if self.lets(document, query)]
        scored = [(len(words & set(one.text.lower().split())) / max(len(words), 1), one) for one in stored]
        best = sorted((pair for pair in scored if pair[0]), key=lambda pair: -pair[0])
        return [msgspec.structs.replace(document, score=score) for score, document in best]

    def lets(self, document: Document, query: Query) -> bool:
        return allowed(document, query)


class ShowsEverybody(RightStore):
    def lets(self, document: Document, query: Query) -> bool:
        return query.filter is None or matches(document, query.filter)


class LosesReaders(RightStore):
    @hookimpl
    async def list_passages(self, collection: str, sources: Sequence[str]) -> Any:
        found = await super().list_passages(collection, sources)
        return [msgspec.structs.replace(document, readers=()) for document in found]


class FiltersLast(RightStore):
    @hookimpl
    async def retrieve(self, query: Query, limit: int, context: orbit.CallContext) -> Any:
        found = self.found(msgspec.structs.replace(query, filter=None))[:limit]
        return [document for document in found if allowed(document, query)]


class IgnoresFilters(RightStore):
    def lets(self, document: Document, query: Query) -> bool:
        return readable(document, query.readers)


class HasNoDrop(RightStore):
    drop = None  # type: ignore[assignment]  # the fault


class DeletesFirst(RightStore):
    """Makes room for the new passages before there are any."""

    @hookimpl
    async def index(self, collection: str, documents: Sequence[Document], context: orbit.CallContext) -> Any:
        for document in documents:
            self.kept.get(collection, {}).pop(document.source, None)
        return await super().index(collection, documents, context)


class WritesInBatches(RightStore):
    """Writes the first passages of a source before it knows that there will be the others."""

    @hookimpl
    async def index(self, collection: str, documents: Sequence[Document], context: orbit.CallContext) -> Any:
        sources: dict[str, list[Document]] = {}
        for start in range(0, len(documents), 100):
            batch = documents[start : start + 100]
            await self.host.embed([document.text for document in batch], "document", context)
            for document in batch:
                sources.setdefault(document.source, []).append(document)
            self.kept.setdefault(collection, {}).update(sources)
        return len(documents)


class HidesFailures(RightStore):
    @hookimpl
    async def index(self, collection: str, documents: Sequence[Document], context: orbit.CallContext) -> Any:
        try:
            return await super().index(collection, documents, context)
        except orbit.ProviderError:
            return len(documents)


class AdoptsBlindly(RightStore):
    """Does not look at what it adopts."""

    @hookimpl
    async def adopt(self, collection: str) -> Any:
        self.kept.setdefault(collection, {})
        return Collection(collection, 0)


class AdoptsToTrue(RightStore):
    @hookimpl
    async def adopt(self, collection: str) -> Any:
        return True


class CountsSources(RightStore):
    @hookimpl
    async def index(self, collection: str, documents: Sequence[Document]) -> Any:
        return len({document.source for document in documents})


class LosesDigests(RightStore):
    @hookimpl
    async def list_sources(self, collection: str) -> Any:
        return dict.fromkeys(self.kept.get(collection, {}), "")


class ListsNames(RightStore):
    @hookimpl
    async def list_sources(self, collection: str) -> Any:
        return list(self.kept.get(collection, {}))


class LosesLinks(RightStore):
    def filters(self) -> bool:
        return True

    def found(self, query: Query) -> list[Any]:
        return [msgspec.structs.replace(document, link="") for document in super().found(query)]


class LosesLast(RightStore):
    @hookimpl
    async def index(self, collection: str, documents: Sequence[Document]) -> Any:
        self.kept[collection] = {document.source: [document] for document in documents[:-1]}
        return len(documents)


class Adds(RightStore):
    @hookimpl
    async def index(self, collection: str, documents: Sequence[Document]) -> Any:
        for document in documents:
            kept = self.kept.setdefault(collection, {}).setdefault(document.source, [])
            kept.insert(0, document)
        return len(documents)


class Overwrites(RightStore):
    @hookimpl
    async def index(self, collection: str, documents: Sequence[Document]) -> Any:
        self.kept[collection] = {document.source: [document] for document in documents}
        return len(documents)


class ListsText(RightStore):
    @hookimpl
    async def list_collections(self) -> Any:
        return list(self.kept)


class CountsNothing(RightStore):
    @hookimpl
    async def list_collections(self) -> Any:
        return [Collection(name, 0) for name in self.kept]


class DropsAlways(RightStore):
    @hookimpl
    async def drop(self, collection: str) -> Any:
        self.kept.pop(collection, None)
        return True


class DropsNothing(RightStore):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.dropped = False

    @hookimpl
    async def drop(self, collection: str) -> Any:
        self.dropped, before = True, self.dropped
        return not before


class ForgetsAll(RightStore):
    @hookimpl
    async def forget(self, collection: str, sources: Sequence[str]) -> Any:
        return int(bool(self.kept.pop(collection, None)))


class ForgetsDocuments(RightStore):
    @hookimpl
    async def forget(self, collection: str, sources: Sequence[str]) -> Any:
        return sum(len(self.kept[collection].pop(source, ())) for source in sources)


class CopiesInto(RightStore):
    @hookimpl
    async def copy(self, collection: str, target: str) -> Any:
        self.kept.setdefault(target, {}).update(self.kept[collection])
        return sum(map(len, self.kept[collection].values()))


class CountsCopies(RightStore):
    @hookimpl
    async def copy(self, collection: str, target: str) -> Any:
        return await super().copy(collection, target) if target not in self.kept else 0


class ListsBackwards(RightStore):
    @hookimpl
    async def list_passages(self, collection: str, sources: Sequence[str]) -> Any:
        return (await super().list_passages(collection, sources))[::-1]


class ListsEverything(RightStore):
    @hookimpl
    async def list_passages(self, collection: str, sources: Sequence[str]) -> Any:
        every = list(self.kept.get(collection, {}))
        return await super().list_passages(collection, sources if set(sources) & set(every) else every)


class RenamesOver(RightStore):
    @hookimpl
    async def rename(self, collection: str, new_name: str) -> Any:
        self.kept.pop(new_name, None) if collection in self.kept else None
        return await super().rename(collection, new_name)


class RenamesNothing(RightStore):
    @hookimpl
    async def rename(self, collection: str, new_name: str) -> Any:
        return await super().rename(collection, new_name) or True


class NeedsCollection(RightStore):
    @hookimpl
    async def list_sources(self, collection: str) -> Mapping[str, str]:
        return {source: found[0].digest for source, found in self.kept[collection].items()}


class NeedsSource(RightStore):
    @hookimpl
    async def index(self, collection: str, documents: Sequence[Document]) -> Any:
        assert all(document.source for document in documents)
        return len(documents)


class FirstBatch(RightStore):
    @hookimpl
    async def index(self, collection: str, documents: Sequence[Document]) -> Any:
        self.kept[collection] = {"": list(documents[:100])}
        return len(documents)


class Sorts(RightStore):
    @hookimpl
    async def index(self, collection: str, documents: list[Document]) -> Any:
        documents.sort(key=lambda document: document.id)
        return len(documents)


class Forgetful(RightStore):
    """Writes back what it has read before others wrote."""

    @hookimpl
    async def index(self, collection: str, documents: Sequence[Document]) -> Any:
        sources = dict(self.kept.get(collection, {}))
        await asyncio.sleep(0)
        sources[documents[0].source] = list(documents)
        self.kept[collection] = sources
        return len(documents)


class StubbornWriter(RightStore):
    @hookimpl
    async def index(self, collection: str, documents: Sequence[Document]) -> Any:
        await swallow()
        return len(documents)


class HastyWriter(RightStore):
    @hookimpl
    async def index(self, documents: Sequence[Document], context: orbit.CallContext) -> Any:
        if context.remaining() == 0:
            raise ValueError("timeout must be positive")
        return len(documents)


class BlockingWriter(RightStore):
    @hookimpl
    async def index(self, documents: Sequence[Document]) -> Any:
        time.sleep(0.13)  # noqa: ASYNC251  # the fault
        return len(documents)


class DetachedWriter(RightStore):
    @hookimpl
    async def index(self, documents: Sequence[Document]) -> Any:
        self.task = asyncio.create_task(asyncio.sleep(2), name="compaction")
        return len(documents)


class WritesNowhere(RightStore):
    @hookimpl
    async def index(self, documents: Sequence[Document]) -> Any:
        return len(documents) if self.settings.up else 0


INDEX = (
    Wrong("test_index_is_offered", HasNoDrop, "put @orbit.hookimpl above drop"),
    Wrong("test_index_returns_how_many_it_wrote", CountsSources, "it returned 3 for 4 documents"),
    Wrong("test_index_keeps_sources", LosesDigests, "keep Document.source and Document.digest"),
    Wrong("test_index_keeps_sources", ListsNames, "list_sources returned a list"),
    Wrong("test_index_keeps_documents", LosesLinks, "its link came back as '', not 'https://x.org/?a=b'"),
    Wrong("test_index_keeps_documents", LosesLast, "'full' was not found by its own text"),
    Wrong("test_index_keeps_readers", ShowsEverybody, "was found; compare Document.readers with Query.readers"),
    Wrong("test_index_keeps_readers", LosesReaders, "return each passage with its readers"),
    Wrong("test_index_filters", IgnoresFilters, "leave out what orbit.filters.allowed(document, query) refuses"),
    Wrong("test_index_filters", FiltersLast, "filter before you cut at the limit"),
    Wrong("test_index_replaces_sources", Adds, "5 documents are stored and not 3"),
    Wrong("test_index_replaces_sources", Overwrites, "the sources are {'tea.md': 'changed'} then"),
    Wrong("test_index_keeps_what_was_there", DeletesFirst, "embed all of a source before you delete what is stored"),
    Wrong("test_index_keeps_what_was_there", WritesInBatches, "write a source's digest last of all"),
    Wrong(
        "test_index_keeps_what_was_there", HidesFailures, "it returned 300; let the ProviderError of host.embed pass"
    ),
    Wrong("test_index_adopts_collections", AdoptsBlindly, "it returned Collection(name='theirs', documents=0"),
    Wrong("test_index_adopts_collections", AdoptsToTrue, "it returned a bool"),
    Wrong("test_index_adopts_nothing_else", AdoptsBlindly, "for an absent one it returned Collection"),
    Wrong("test_index_can_be_repeated", Adds, "8 documents are stored after 4 twice"),
    Wrong("test_index_lists_collections", ListsText, "return a list of orbit.Collection"),
    Wrong("test_index_lists_collections", CountsNothing, "count the documents of each collection"),
    Wrong("test_index_drops_collections", DropsAlways, "it returned True and not False"),
    Wrong("test_index_drops_collections", DropsNothing, "is left; delete the documents as well"),
    Wrong("test_index_forgets_sources", ForgetsAll, "the sources are {} then"),
    Wrong("test_index_copies_collections", CopiesInto, "copy every document and nothing else"),
    Wrong("test_index_copies_collections", CountsCopies, "it returned 0 for 4 documents"),
    Wrong("test_index_lists_passages", ListsBackwards, "return each document whole"),
    Wrong("test_index_lists_passages", ListsEverything, "of what does not exist"),
    Wrong("test_index_renames_collections", RenamesOver, "for a name that is taken"),
    Wrong("test_index_renames_collections", RenamesNothing, "it returned True and not False"),
    Wrong("test_index_forgets_sources", ForgetsDocuments, "it returned 2 and not 1"),
    Wrong("test_index_takes_absent_collections", NeedsCollection, "the call raised KeyError"),
    Wrong("test_index_takes_absent_collections", DropsAlways, "drop returned True"),
    Wrong("test_index_takes_any_document", NeedsSource, "the call raised AssertionError"),
    Wrong("test_index_takes_many_documents", FirstBatch, "100 of 300 are stored"),
    Wrong("test_index_leaves_documents_alone", Sorts, "the call changed the list"),
    Wrong("test_index_side_by_side", Forgetful, "of 6 are stored"),
    Wrong("test_index_can_be_cancelled", StubbornWriter, "the call went on for"),
    Wrong("test_index_keeps_deadlines", HastyWriter, "the call raised ValueError"),
    Wrong("test_index_leaves_the_loop_free", BlockingWriter, "nothing else could run for"),
    Wrong("test_index_leaves_nothing_running", DetachedWriter, "the task 'compaction' still ran"),
    Wrong("test_index_while_down", WritesNowhere, "the call returned 0"),
)


class Hidden(RightStore):
    def offers(self, hook: str) -> bool:
        return hook != "retrieve"


class FindsTexts(RightStore):
    def filters(self) -> bool:
        return True

    def found(self, query: Query) -> list[Any]:
        return [document.text for document in super().found(query)]


class FindsTwice(RightStore):
    def filters(self) -> bool:
        return True

    def found(self, query: Query) -> list[Any]:
        return super().found(query) * 2


class FindsEmpty(RightStore):
    def filters(self) -> bool:
        return True

    def found(self, query: Query) -> list[Any]:
        return [msgspec.structs.replace(document, text="") for document in super().found(query)]


class Generates(RightStore):
    @hookimpl
    async def retrieve(self, query: Query, limit: int) -> Any:
        return iter(self.found(query))


class FindsNothing(RightStore):
    def filters(self) -> bool:
        return True

    def found(self, query: Query) -> list[Any]:
        return []


class IgnoresLimit(RightStore):
    @hookimpl
    async def retrieve(self, query: Query, limit: int) -> Any:
        return self.found(query)


class CutsFirst(RightStore):
    @hookimpl
    async def retrieve(self, query: Query, limit: int) -> Any:
        return self.found(query)[-1:] if limit == 1 else self.found(query)[:limit]


class Distances(RightStore):
    def filters(self) -> bool:
        return True

    def found(self, query: Query) -> list[Any]:
        return [msgspec.structs.replace(document, score=17.5) for document in super().found(query)]


class WorstFirst(RightStore):
    def filters(self) -> bool:
        return True

    def found(self, query: Query) -> list[Any]:
        return super().found(query)[::-1]


class ParsesQueries(RightStore):
    def filters(self) -> bool:
        return True

    def found(self, query: Query) -> list[Any]:
        if '"' in query.text:
            raise SyntaxError("unbalanced quotes")
        return super().found(query)


class MixesCollections(RightStore):
    def filters(self) -> bool:
        return True

    def found(self, query: Query) -> list[Any]:
        return [
            document
            for name in self.kept
            for document in super(MixesCollections, self).found(msgspec.structs.replace(query, collection=name))
        ]


class OneCollection(RightStore):
    def filters(self) -> bool:
        return True

    def found(self, query: Query) -> list[Any]:
        return super().found(msgspec.structs.replace(query, collection="contract"))


class KnowsCollections(RightStore):
    def filters(self) -> bool:
        return True

    def found(self, query: Query) -> list[Any]:
        self.kept[query.collection or ""]
        return super().found(query)


class Shares(RightStore):
    @hookimpl
    async def retrieve(self, query: Query, limit: int) -> Any:
        self.query = query
        await asyncio.sleep(0)
        return self.found(self.query)[:limit]


class Stubborn(RightStore):
    @hookimpl
    async def retrieve(self, query: Query, limit: int) -> Any:
        await swallow()
        return []


class Hasty(RightStore):
    @hookimpl
    async def retrieve(self, query: Query, context: orbit.CallContext) -> Any:
        if context.remaining() == 0:
            raise ValueError("timeout must be positive")
        return []


class Blocks(RightStore):
    @hookimpl
    async def retrieve(self, query: Query) -> Any:
        time.sleep(0.13)  # noqa: ASYNC251  # the fault
        return []


class Detaches(RightStore):
    @hookimpl
    async def retrieve(self, query: Query) -> Any:
        self.task = asyncio.create_task(asyncio.sleep(2), name="prefetch")
        return []


class Hopes(RightStore):
    @hookimpl
    async def retrieve(self, query: Query) -> Any:
        return []


RETRIEVE = (
    Wrong("test_retrieve_is_offered", Hidden, "the host does not see it"),
    Wrong("test_retrieve_returns_documents", FindsTexts, "the list has a str in it"),
    Wrong("test_retrieve_returns_documents", FindsTwice, "give each passage an id of its own"),
    Wrong("test_retrieve_returns_documents", FindsEmpty, "give each document an id and its text"),
    Wrong("test_retrieve_returns_documents", Generates, "it returned a list_iterator"),
    Wrong("test_retrieve_finds_what_there_is", FindsNothing, "0 came for 'How long is tea steeped in water?'"),
    Wrong("test_retrieve_keeps_to_the_limit", IgnoresLimit, "with limit=1 it returned"),
    Wrong("test_retrieve_keeps_to_the_limit", CutsFirst, "sort before you cut"),
    Wrong("test_retrieve_puts_the_best_first", Distances, "there is the score 17.5"),
    Wrong("test_retrieve_puts_the_best_first", WorstFirst, "sort by score, best first"),
    Wrong("test_retrieve_takes_any_question", ParsesQueries, "the call raised SyntaxError: unbalanced quotes"),
    Wrong("test_retrieve_keeps_collections_apart", MixesCollections, "found one of 'contract-other'"),
    Wrong("test_retrieve_keeps_collections_apart", OneCollection, "look up query.collection"),
    Wrong("test_retrieve_takes_unknown_collections", KnowsCollections, "the call raised KeyError"),
    Wrong("test_retrieve_side_by_side", Shares, "a call got another result"),
    Wrong("test_retrieve_can_be_cancelled", Stubborn, "the call went on for"),
    Wrong("test_retrieve_keeps_deadlines", Hasty, "the call raised ValueError"),
    Wrong("test_retrieve_leaves_the_loop_free", Blocks, "nothing else could run for"),
    Wrong("test_retrieve_leaves_nothing_running", Detaches, "the task 'prefetch' still ran"),
    Wrong("test_retrieve_while_down", Hopes, "the call returned []"),
)
