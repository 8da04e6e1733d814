"""relevance_threshold and confidence_threshold, and how many passages are asked for."""

import pytest
from orbit_chroma import ChromaSettings
from orbit_chroma.records import good_enough, similarity

import orbit

CONTEXT = orbit.CallContext(request_id="test")

FOUND = [orbit.Document(id=str(score), text="", score=score) for score in (0.9, 0.8, 0.5, 0.3, 0.1)]


@pytest.mark.parametrize(
    ("settings", "limit", "scores"),
    [
        ({"relevance_threshold": 0.0, "confidence_threshold": 0.0}, 10, [0.9, 0.8, 0.5, 0.3, 0.1]),
        ({"relevance_threshold": 0.5, "confidence_threshold": 0.0}, 10, [0.9, 0.8, 0.5]),
        ({"relevance_threshold": 0.0, "confidence_threshold": 0.9}, 2, [0.9, 0.8]),
        ({"relevance_threshold": 0.0, "confidence_threshold": 0.91}, 10, []),
        ({"relevance_threshold": 0.0, "confidence_threshold": 0.0}, 1, [0.9]),
        ({"relevance_threshold": 0.95, "confidence_threshold": 0.0}, 10, []),
    ],
)
def test_thresholds(settings, limit, scores):
    assert [document.score for document in good_enough(FOUND, ChromaSettings(**settings), limit)] == scores


def test_nothing_found():
    assert good_enough([], ChromaSettings(), 10) == []


def test_where_the_host_compares_scores_only_configured_thresholds_hold() -> None:
    assert len(good_enough(FOUND, ChromaSettings(), 10)) == len([one for one in FOUND if (one.score or 0) >= 0.25])
    assert good_enough(FOUND, ChromaSettings(), 10, compared=True) == FOUND
    assert good_enough(FOUND, ChromaSettings(confidence_threshold=0.95), 10, compared=True) == []


@pytest.mark.parametrize(("distance", "expected"), [(-1e-7, 1.0), (0.0, 1.0), (0.25, 0.75), (1.0, 0.0), (2.0, 0.0)])
def test_similarity(distance, expected):
    assert similarity(distance, "cosine") == expected
    assert similarity(distance, "ip") == expected
    assert similarity(2 * distance, "l2") == expected


async def test_the_database_is_asked_for_as_many_as_the_host_wants(host, opened):
    async with opened(host, relevance_threshold=0, confidence_threshold=0, collection="all") as store:
        documents = [orbit.Document(id=str(n), text=f"word {n}", source="s") for n in range(20)]
        await store.index("all", documents, CONTEXT)
        assert len(await store.retrieve(orbit.Query("word"), 15, CONTEXT)) == 15
        assert len(await store.retrieve(orbit.Query("word"), 2, CONTEXT)) == 2


async def test_without_any_collection_nothing_is_searched(host, opened):
    async with opened(host) as store:
        assert await store.retrieve(orbit.Query("word"), 10, CONTEXT) == []
