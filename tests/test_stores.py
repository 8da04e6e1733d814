"""What stores have in common: thresholds, the default collection, collections that a newer model's replaced."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from store_kit import WordHost

import orbit
from orbit.stores import NoCollection, VectorStore, VectorStoreSettings, refuse_equal_ids

FOUND = [orbit.Document(id=str(score), text="", score=score) for score in (0.9, 0.8, 0.5, 0.3, 0.1)]
CONTEXT = orbit.CallContext("test")


class Database:
    """A database with an error, or none."""

    def __init__(self, error: orbit.ProviderError | None = None) -> None:
        self.error = error
        self.closed = False

    async def check(self) -> None:
        if self.error is not None:
            raise self.error

    async def close(self) -> None:
        self.closed = True


class Store(VectorStore[Database]):
    """Finds the same in every collection; ``problems`` has those that exist."""

    Settings = VectorStoreSettings
    error: orbit.ProviderError | None = None
    problems: dict[str, str]
    found: Sequence[orbit.Document] = FOUND

    def open(self) -> Database:
        self.opened = Database(self.error)
        return self.opened

    async def problem(self, collection: str) -> str | None:
        return self.problems.get(collection)

    async def find(
        self, collection: str, query: orbit.Query, limit: int, context: orbit.CallContext
    ) -> Sequence[orbit.Document]:
        if collection not in self.problems:
            raise NoCollection(collection)
        if self.problems[collection]:
            raise orbit.ProviderError(self.problems[collection])
        return self.found


def store(problems: dict[str, str] | None = None, **settings: Any) -> Store:
    host: Any = WordHost(Path())
    made = Store("store", VectorStoreSettings(**settings), host)
    made.problems = {"docs": ""} if problems is None else problems
    return made


async def retrieved(made: Store, collection: str = "docs", *, compared: bool = False, limit: int = 9) -> list[float]:
    query = orbit.Query("?", collection=collection, compared=compared)
    return [document.score or 0 for document in await made.retrieve(query, limit, CONTEXT)]


@pytest.mark.parametrize(
    ("relevance", "confidence", "scores"),
    [
        (0.0, 0.0, [0.9, 0.8, 0.5, 0.3, 0.1]),
        (0.5, 0.0, [0.9, 0.8, 0.5]),
        (0.0, 0.9, [0.9, 0.8, 0.5, 0.3, 0.1]),
        (0.0, 0.91, []),
        (0.95, 0.0, []),
        (None, None, [0.9, 0.8, 0.5, 0.3]),
    ],
)
async def test_thresholds(relevance: float | None, confidence: float | None, scores: list[float]) -> None:
    made = store(relevance_threshold=relevance, confidence_threshold=confidence)
    assert await retrieved(made) == scores
    assert await retrieved(made, limit=2) == scores[:2]


async def test_a_doubtful_best_passage_is_not_returned() -> None:
    made = store()
    for found in (FOUND[4:], [orbit.Document(id="1", text="")], []):
        made.found = found
        assert await retrieved(made) == []


async def test_where_the_host_compares_scores_only_configured_thresholds_hold() -> None:
    assert await retrieved(store(), compared=True) == [0.9, 0.8, 0.5, 0.3, 0.1]
    assert await retrieved(store(relevance_threshold=0.6), compared=True) == [0.9, 0.8]
    assert await retrieved(store(confidence_threshold=0.95), compared=True) == []


async def test_keys_without_a_collection_search_the_default_one() -> None:
    assert await retrieved(store(), "") == []
    assert await retrieved(store(collection="docs"), "") == [0.9, 0.8, 0.5, 0.3]
    with pytest.raises(NoCollection, match=r"'other' does not exist\. .* orbit ingest PATH --collection other"):
        await retrieved(store(collection="docs"), "other")


async def test_an_earlier_collection_answers_while_the_newer_model_is_not_enabled(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = store({"docs": "has vectors of another model", "docs.previous": ""}, collection="docs")
    with caplog.at_level(logging.WARNING, "orbit"):
        for _ in range(2):
            assert await retrieved(made) == [0.9, 0.8, 0.5, 0.3]
        await made.ready()
    assert [record.getMessage() for record in caplog.records] == [
        "store answers from docs.previous, because docs has vectors of a model that is not enabled here. Enable it"
    ]


async def test_the_start_refuses_a_default_collection_of_another_model() -> None:
    for others in ({}, {"docs.previous": "of a third one"}):
        made = store({"docs": "has vectors of another model", **others}, collection="docs")
        with pytest.raises(orbit.ConfigError, match=r"store\.collection: has vectors of another model"):
            await made.ready()
        with pytest.raises(orbit.ProviderError, match="has vectors of another model"):
            await retrieved(made)
    await store({}, collection="docs").ready()


async def test_the_start_survives_a_server_that_is_away_but_not_a_mistake() -> None:
    made = store()
    made.error = orbit.ProviderError("away", kind="unavailable", retryable=True)
    async with made:
        assert (await made.health()).detail == "away"
    assert made.opened.closed
    assert (await made.health()).status == "down"
    made.error = orbit.ProviderError("wrong password")
    with pytest.raises(orbit.ProviderError, match="wrong password"):
        await made.__aenter__()
    assert made.opened.closed


def test_equal_ids_are_refused() -> None:
    refuse_equal_ids(FOUND)
    with pytest.raises(orbit.ProviderError, match=r"two documents have the id '0\.5'"):
        refuse_equal_ids([*FOUND, FOUND[2]])
