"""What a turn may not find reaches it on no way: stores, retrievers that do not filter, neighbours and copies."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from actor_kit import turn
from filter_kit import means, some_documents, some_query

import orbit
from orbit import CallContext, ComparisonFilter, Document, Query
from orbit.errors import ProviderError
from orbit.evaluation.asking import searching
from orbit.host.host import OrbitHost
from orbit.testing import host

CONTEXT = CallContext("test", collection="books")
STORES: list[dict[str, Any]] = [
    {"lexical": {}},
    {"wordllama": {}, "chroma": {}},
    {"wordllama": {}, "chroma": {}, "lexical": {}},
    {"cabinet": {}},
]


def passage(name: str, text: str, *readers: str, source: str = "", **metadata: Any) -> Document:
    return Document(name, text, source or f"{name}.md", name, digest="d", metadata=metadata, readers=readers)


async def search(made: OrbitHost, question: str, *groups: str, filter: Any = None) -> list[Document]:  # noqa: A002
    asked = turn(question, collection="books")
    context = msgspec.structs.replace(asked.context, groups=frozenset(groups))
    return await searching(made).search(msgspec.structs.replace(asked, context=context, filter=filter))


async def names(made: OrbitHost, question: str, *groups: str, filter: Any = None) -> list[str]:  # noqa: A002
    return sorted(document.id for document in await search(made, question, *groups, filter=filter))


@pytest.mark.parametrize("stores", STORES)
async def test_only_readers_find_a_restricted_passage(tmp_path: Path, stores: dict[str, Any]) -> None:
    documents = [
        passage("open", "The salary of gardeners is published."),
        passage("secret", "The salary of the director is secret.", "hr", "board"),
    ]
    async with host({"echo": {}, **stores, "retrieval": {"threshold": 0}}, tmp_path) as made:
        await made.index("books", documents, CONTEXT)
        assert await names(made, "salary director") == ["open"]
        assert await names(made, "salary director", "sales") == ["open"]
        assert await names(made, "salary director", "hr") == ["open", "secret"]
        assert await names(made, "salary director", "board", "sales") == ["open", "secret"]


@pytest.mark.parametrize("stores", STORES)
async def test_the_best_that_are_allowed_come(tmp_path: Path, stores: dict[str, Any]) -> None:
    documents = [passage(f"a{n}", f"The ferry leaves at noon {n}.", "crew", year=2020 + n) for n in range(40)]
    documents += [passage("late", "The ferry leaves", year=2030)]
    settings = {"threshold": 0, "limit": 5, "max_documents": 5}
    async with host({"echo": {}, **stores, "retrieval": settings}, tmp_path) as made:
        await made.index("books", documents, CONTEXT)
        assert await names(made, "ferry leaves at noon") == ["late"]
        assert len(await names(made, "ferry leaves at noon", "crew")) == 5
        found = await names(made, "ferry leaves at noon", "crew", filter=ComparisonFilter("lt", "year", 2022))
        assert found == ["a0", "a1"]


@pytest.mark.parametrize("stores", STORES)
async def test_neighbours_are_joined_up_to_what_may_not_be_read(tmp_path: Path, stores: dict[str, Any]) -> None:
    texts = ("Apples are red.", "Pears are green.", "Plums are blue.", "Figs are brown.")
    documents = [
        passage(str(n), text, *(("hr",) if n == 1 else ()), source="fruit.md", page=n) for n, text in enumerate(texts)
    ]
    settings = {"threshold": 0, "max_documents": 1, "expand": 3}
    async with host({"echo": {}, **stores, "retrieval": settings}, tmp_path) as made:
        await made.index("books", documents, CONTEXT)
        (found,) = await search(made, "plums blue")
        assert "Pears" not in found.text
        assert "Apples" not in found.text, "what comes after a gap is no neighbour"
        assert "Figs" in found.text
        (found,) = await search(made, "plums blue", "hr")
        assert "Pears" in found.text
        (found,) = await search(made, "plums blue", filter=ComparisonFilter("gte", "page", 2))
        assert ("Plums" in found.text, "Figs" in found.text, "Pears" in found.text) == (True, True, False)


@pytest.mark.parametrize("stores", STORES)
async def test_a_copy_names_no_file_that_may_not_be_read(tmp_path: Path, stores: dict[str, Any]) -> None:
    said = "The ferry to the island leaves at noon every day except on Sundays and on holidays in winter."
    documents = [passage("open", said), passage("secret", said, "hr"), passage("more", said)]
    async with host({"echo": {}, **stores, "retrieval": {"threshold": 0}}, tmp_path) as made:
        await made.index("books", documents, CONTEXT)
        (found,) = await search(made, "ferry island noon")
        assert {found.source, *found.also} == {"open.md", "more.md"}
        (found,) = await search(made, "ferry island noon", "hr")
        assert {found.source, *found.also} == {"open.md", "more.md", "secret.md"}


class Careless(orbit.Provider):
    """A retriever of API 1: it knows neither filters nor readers, but a passage of it may have some."""

    found: Sequence[Document] = ()

    @orbit.hookimpl
    async def retrieve(self, query: Query, limit: int) -> list[Document]:
        return list(self.found)[:limit]


async def test_what_a_careless_retriever_returns_is_dropped(tmp_path: Path) -> None:
    documents = [
        passage("open", "The ferry leaves.", year=2020),
        passage("secret", "The ferry waits.", "hr", year=2024),
        passage("plain", "The bus leaves."),
    ]
    async with host({"echo": {}, "careless": {}}, tmp_path, {"careless": Careless}) as made:
        careless = made.registry["careless"]
        assert isinstance(careless, Careless)
        careless.found = documents
        assert await names(made, "ferry") == ["open", "plain"]
        assert await names(made, "ferry", "hr") == ["open", "plain", "secret"]
        assert await names(made, "ferry", "hr", filter=ComparisonFilter("gt", "year", 2021)) == ["secret"]
        assert await names(made, "ferry", filter=ComparisonFilter("gt", "year", 2021)) == []


class OldStore(orbit.Provider):
    """A store of API 1."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.held: list[Document] = []

    @orbit.hookimpl
    async def index(self, collection: str, documents: Sequence[Document]) -> int:
        self.held += documents
        return len(documents)

    @orbit.hookimpl
    async def drop(self, collection: str) -> bool:
        return False

    @orbit.hookimpl
    async def list_sources(self, collection: str) -> dict[str, str]:
        return {}

    @orbit.hookimpl
    async def list_collections(self) -> list[orbit.Collection]:
        return []


async def test_a_store_that_does_not_filter_gets_no_restricted_passage(tmp_path: Path) -> None:
    config: dict[str, Any] = {"echo": {}, "lexical": {}, "old": {}}
    async with host(config, tmp_path, {"old": OldStore}) as made:
        old = made.registry["old"]
        assert isinstance(old, OldStore)
        await made.index("books", [passage("open", "The ferry leaves.")], CONTEXT)
        with pytest.raises(ProviderError, match=r"old.*cannot keep who may read a file") as caught:
            await made.index("books", [passage("secret", "The ferry waits.", "hr")], CONTEXT)
        assert caught.value.provider == "old"
        assert [document.id for document in old.held] == ["open"]
        assert await names(made, "ferry", "hr") == ["open"], "no store has got it"


@pytest.mark.parametrize("seed", range(3))
async def test_the_host_finds_what_the_reference_allows(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    documents = some_documents(chance, 30)
    settings = {"threshold": 0, "limit": 100, "max_documents": 100}
    config: dict[str, Any] = {"echo": {}, "wordllama": {}, "chroma": {}, "lexical": {}, "retrieval": settings}
    async with host(config, tmp_path) as made:
        await made.index("books", documents, CONTEXT)
        for _ in range(25):
            query = some_query(chance, "books")
            found = await search(made, query.text, *query.readers, filter=query.filter)
            assert all(means(document, query) for document in found)
