"""Scores, and how many passages are asked for."""

import pytest
from orbit_chroma.records import similarity

import orbit

CONTEXT = orbit.CallContext(request_id="test")


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
