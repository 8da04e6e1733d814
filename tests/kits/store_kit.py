"""What every store must do that searches by vectors, and what its tests need: passages, and a host without a model."""

from __future__ import annotations

import asyncio
import random
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import numpy as np
import pytest
from filter_kit import GROUPS, check_found, some_documents, some_query

import orbit

CONTEXT = orbit.CallContext(request_id="test")


class WordHost:
    """Embeds by hashing words: texts that share words are alike."""

    def __init__(self, data_dir: Path, embedding: str = "fake/words", dimension: int = 64) -> None:
        self.data_dir = data_dir
        self.embedding = embedding
        self.dimension = dimension
        self.fail_after: int | None = None
        self.batches: list[int] = []

    def embeds(self, embedding):
        return embedding == self.embedding

    async def embed(self, texts, kind, context, embedding=""):
        self.batches.append(len(texts))
        if self.fail_after is not None and len(self.batches) > self.fail_after:
            raise orbit.ProviderError("the model is gone", kind="unavailable")
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split():
                vectors[row, zlib.crc32(word.encode()) % self.dimension] += 1
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / np.where(lengths > 0, lengths, 1)


def opener(provider: type[orbit.Provider], name: str) -> Callable[..., AbstractAsyncContextManager[Any]]:
    """``async with opener(...)(lender, **settings)`` gives a provider that is started and ready."""

    @asynccontextmanager
    async def open_provider(lender: Any, /, **settings: Any) -> AsyncIterator[Any]:
        made: Any = provider(name, provider.Settings(**settings), lender)
        async with made:
            await made.ready()
            yield made

    return open_provider


def passages(source: str, *texts: str, digest: str = "d1") -> list[orbit.Document]:
    return [
        orbit.Document(
            id=f"{source}:{digest}:{number}",
            text=text,
            source=source,
            title=f"Title of {source}",
            link=f"https://example.org/{source}",
            digest=digest,
            metadata={"page": number, "draft": False, "lang": "en", "weight": 0.5},
        )
        for number, text in enumerate(texts)
    ]


def ask(text: str, collection: str | None = None) -> orbit.Query:
    return orbit.Query(text=text, collection=collection)


async def held(store: Any, collection: str) -> int:
    """The number of passages in a collection."""
    collections: list[orbit.Collection] = await store.list_collections()
    return {one.name: one.documents for one in collections}.get(collection, 0)


class StoreContract:
    """Subclasses name the module with ``WRITE_SIZE``, and provide the fixtures ``store``, ``host`` and ``name``."""

    WRITING: ModuleType
    PRECISION = 1e-5
    """How far scores may be from the cosine."""

    async def test_what_was_indexed_is_found_with_all_its_fields(self, store, name):
        documents = passages("guide.md", "cats sleep all day", "ferries leave at noon")
        assert await store.index(name, documents, CONTEXT) == 2
        best, other = await store.retrieve(ask("when do ferries leave", name), 10, CONTEXT)
        assert (best.id, best.text, best.source, best.title, best.link, best.digest, best.metadata) == (
            documents[1].id,
            "ferries leave at noon",
            "guide.md",
            "Title of guide.md",
            "https://example.org/guide.md",
            "d1",
            documents[1].metadata,
        )
        assert 0 <= other.score < best.score <= 1

    async def test_the_score_is_the_cosine_similarity(self, store, name):
        await store.index(name, passages("a", "one two", "one three", "four five"), CONTEXT)
        found = await store.retrieve(ask("one two", name), 10, CONTEXT)
        assert [document.score for document in found] == pytest.approx([1.0, 0.5, 0.0], abs=self.PRECISION)
        assert all(0 <= document.score <= 1 for document in found)

    async def test_indexing_replaces_only_the_sources_given(self, store, name):
        await store.index(name, [*passages("a", "old one", "old two", "old three"), *passages("b", "kept")], CONTEXT)
        await store.index(name, passages("a", "new one", digest="d2"), CONTEXT)
        found = await store.retrieve(ask("old new kept", name), 10, CONTEXT)
        assert sorted(document.text for document in found) == ["kept", "new one"]
        assert await store.list_sources(name) == {"a": "d2", "b": "d1"}
        assert await held(store, name) == 2

    async def test_indexing_the_same_again_adds_nothing(self, store, name):
        for _ in range(2):
            await store.index(name, passages("a", "one", "two"), CONTEXT)
        assert await held(store, name) == 2

    async def test_a_large_source_is_written_in_parts(self, store, host, name, monkeypatch):
        monkeypatch.setattr(self.WRITING, "WRITE_SIZE", 128)
        texts = [f"passage number {number}" for number in range(300)]
        finished: list[int] = []
        context = orbit.CallContext("test", progress=finished.append)
        assert await store.index(name, passages("big", *texts), context) == 300
        assert host.batches == [128, 128, 44]
        assert len(finished) == 3, "each write starts the deadline again"
        assert [one.text for one in await store.list_passages(name, ["big"])] == texts
        await store.index(name, passages("big", *texts[:1], digest="d2"), CONTEXT)
        assert await held(store, name) == 1

    async def test_the_old_passages_answer_alone_while_the_new_ones_are_embedded(self, store, host, name, monkeypatch):
        monkeypatch.setattr(self.WRITING, "WRITE_SIZE", 100)
        await store.index(name, passages("a", *(f"old {n}" for n in range(200))), CONTEXT)
        host.fail_after = len(host.batches) + 1
        with pytest.raises(orbit.ProviderError, match="the model is gone"):
            await store.index(name, passages("a", *(f"new {n}" for n in range(200)), digest="d2"), CONTEXT)
        host.fail_after = None
        assert await store.list_sources(name) == {"a": "d1"}
        assert await held(store, name) == 200
        assert {one.digest for one in await store.retrieve(ask("new 7", name), 10, CONTEXT)} == {"d1"}

    async def test_two_documents_with_one_id_are_refused(self, store, name):
        document = passages("a", "one")[0]
        with pytest.raises(orbit.ProviderError, match=r"two documents have the id 'a:d1:0'"):
            await store.index(name, [document, document], CONTEXT)

    async def test_nothing_to_index_makes_no_collection(self, store, name):
        assert await store.index(name, [], CONTEXT) == 0
        assert name not in {collection.name for collection in await store.list_collections()}

    async def test_drop(self, store, name):
        await store.index(name, passages("a", "one"), CONTEXT)
        assert await store.drop(name) is True
        assert await store.drop(name) is False
        assert await store.list_sources(name) == {}

    async def test_forgotten_sources_are_found_no_more(self, store, name):
        documents = [*passages("a", "one", "two"), *passages("b", "three"), *passages("c/d.md", "four")]
        await store.index(name, documents, CONTEXT)
        assert await store.forget(name, ["a", "c/d.md", "never"]) == 2
        assert await store.list_sources(name) == {"b": "d1"}
        assert [one.source for one in await store.retrieve(ask("one two three", name), 10, CONTEXT)] == ["b"]
        assert await store.forget(name, ["a"]) == 0
        assert await store.forget(f"{name}x", ["a"]) == 0

    async def test_the_sources_are_those_of_now_after_every_change(self, store, name):
        changes: Sequence[tuple[Any, dict[str, str]]] = [
            (store.index(name, passages("a", "one"), CONTEXT), {"a": "d1"}),
            (store.index(name, passages("b", "two"), CONTEXT), {"a": "d1", "b": "d1"}),
            (store.index(name, passages("a", "three", digest="d2"), CONTEXT), {"a": "d2", "b": "d1"}),
            (store.forget(name, ["b"]), {"a": "d2"}),
            (store.drop(name), {}),
            (store.index(name, passages("a", "one"), CONTEXT), {"a": "d1"}),
        ]
        for change, sources in changes:
            reading = asyncio.create_task(store.list_sources(name))
            await change
            await reading
            for _ in range(2):
                assert await store.list_sources(name) == sources

    async def test_collections_are_listed_with_what_made_them(self, store, name):
        await store.index(name, passages("a", "one", "two"), CONTEXT)
        listed = {collection.name: collection for collection in await store.list_collections()}
        assert listed[name] == orbit.Collection(name=name, documents=2, embedding="fake/words", dimension=64)

    async def test_an_unknown_collection_is_named_with_the_way_out(self, store, name):
        with pytest.raises(orbit.ProviderError, match=rf"ollection '{name}' does not exist.*orbit ingest") as caught:
            await store.retrieve(ask("anything", name), 10, CONTEXT)
        assert caught.value.kind == "not_found"

    async def test_a_collection_made_after_it_was_missed_is_found(self, store, name):
        with pytest.raises(orbit.ProviderError):
            await store.retrieve(ask("one", name), 10, CONTEXT)
        await store.index(name, passages("a", "one"), CONTEXT)
        assert await store.retrieve(ask("one", name), 10, CONTEXT)

    @pytest.mark.parametrize("seed", range(4))
    async def test_the_best_of_what_a_query_may_find_come(self, store, name, seed):
        chance = random.Random(seed)
        documents = some_documents(chance, 60)
        await store.index(name, documents, CONTEXT)
        listed = await store.list_passages(name, ["a.md", "b/c d.md", "e.md"])
        assert {one.id: one.readers for one in listed} == {one.id: one.readers for one in documents}
        for _ in range(40):
            query = some_query(chance, name)
            everybody = orbit.Query(query.text, name, compared=True, readers=frozenset(GROUPS))
            everything = await store.retrieve(everybody, 60, CONTEXT)
            assert len(everything) == 60
            check_found(await store.retrieve(query, 5, CONTEXT), everything, query, 5)

    async def test_readers_follow_a_copy(self, store, name):
        (document,) = passages("a", "one two")
        await store.index(name, [msgspec.structs.replace(document, readers=("hr",))], CONTEXT)
        await store.copy(name, f"{name}2", "fake/words", CONTEXT)
        assert await store.retrieve(ask("one", f"{name}2"), 5, CONTEXT) == []
        (found,) = await store.retrieve(orbit.Query("one", f"{name}2", readers=frozenset({"hr"})), 5, CONTEXT)
        assert found.readers == ("hr",)

    async def test_another_dimension_is_refused(self, store, host, name):
        await store.index(name, passages("a", "one"), CONTEXT)
        host.dimension = 32
        with pytest.raises(orbit.ProviderError, match=r"64 dimensions.*32 dimensions"):
            await store.retrieve(ask("one", name), 10, CONTEXT)
