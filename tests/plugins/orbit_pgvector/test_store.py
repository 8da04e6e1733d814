"""Index, retrieve, list, copy and drop, exactly and with an index."""

import asyncio

import pytest
from chroma_kit import WordHost
from orbit_pgvector import writing

import orbit

CONTEXT = orbit.CallContext(request_id="test")


def passages(source, *texts, digest="d1"):
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


@pytest.fixture(params=[{}, {"index_from": 0}, {"index_from": 0, "partitions": 4}], ids=["exact", "hnsw", "parts"])
async def store(request, section, host, opened):
    async with opened(host, relevance_threshold=0, confidence_threshold=0, **section, **request.param) as made:
        yield made


def ask(text, collection="docs"):
    return orbit.Query(text=text, collection=collection)


async def held(store, collection="docs"):
    return {one.name: one.documents for one in await store.list_collections()}.get(collection, 0)


async def test_what_was_indexed_is_found_with_all_its_fields(store):
    documents = passages("guide.md", "cats sleep all day", "ferries leave at noon")
    assert await store.index("docs", documents, CONTEXT) == 2
    best, other = await store.retrieve(ask("when do ferries leave"), 10, CONTEXT)
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


async def test_the_score_is_the_cosine_similarity(store):
    await store.index("docs", passages("a", "one two", "one three", "four five", ""), CONTEXT)
    found = await store.retrieve(ask("one two"), 10, CONTEXT)
    assert [document.score for document in found] == pytest.approx([1.0, 0.5, 0.0, 0.0], abs=1e-3)


async def test_a_question_without_words_finds_nothing_relevant(store):
    await store.index("docs", passages("a", "one two"), CONTEXT)
    assert [document.score for document in await store.retrieve(ask(""), 10, CONTEXT)] == [0.0]


async def test_more_are_found_than_the_index_takes_at_once(store):
    await store.index("docs", passages("a", *(f"word a{n} b{n} c{n}" for n in range(300))), CONTEXT)
    assert len(await store.retrieve(ask("word"), 250, CONTEXT)) == 250


async def test_indexing_replaces_only_the_sources_given(store):
    await store.index("docs", [*passages("a", "old one", "old two", "old three"), *passages("b", "kept")], CONTEXT)
    await store.index("docs", passages("a", "new one", digest="d2"), CONTEXT)
    found = await store.retrieve(ask("old new kept"), 10, CONTEXT)
    assert sorted(document.text for document in found) == ["kept", "new one"]
    assert await store.list_sources("docs") == {"a": "d2", "b": "d1"}
    assert await held(store) == 2


async def test_a_large_source_is_written_in_parts(store, host, monkeypatch):
    monkeypatch.setattr(writing, "WRITE_SIZE", 128)
    texts = [f"passage number {number}" for number in range(300)]
    finished: list[int] = []
    context = orbit.CallContext("test", progress=finished.append)
    assert await store.index("docs", passages("big", *texts), context) == 300
    assert host.batches == [128, 128, 44]
    assert len(finished) == 3, "each write starts the deadline again"
    assert [one.text for one in await store.list_passages("docs", ["big"])] == texts


async def test_the_old_passages_answer_alone_until_all_new_ones_are_written(store, host, monkeypatch):
    monkeypatch.setattr(writing, "WRITE_SIZE", 100)
    await store.index("docs", passages("a", *(f"old {n}" for n in range(200))), CONTEXT)
    host.fail_after = len(host.batches) + 1
    with pytest.raises(orbit.ProviderError, match="the model is gone"):
        await store.index("docs", passages("a", *(f"new {n}" for n in range(200)), digest="d2"), CONTEXT)
    host.fail_after = None
    assert await store.list_sources("docs") == {"a": "d1"}
    assert await held(store) == 200
    assert {one.digest for one in await store.retrieve(ask("new 7"), 10, CONTEXT)} == {"d1"}


async def test_writers_of_the_same_sources_leave_one_version(store):
    """In whatever order they name them: none waits for the other for ever."""
    versions = [[*passages("a", "one", digest=d), *passages("b", "two", digest=d)][:: 1 - 2 * (n % 2)]
                for n, d in enumerate("stuvwxyz")]  # fmt: skip
    await asyncio.gather(*(store.index("docs", version, CONTEXT) for version in versions))
    digests = await store.list_sources("docs")
    assert set(digests) == {"a", "b"}
    assert await held(store) == 2
    assert {one.digest for one in await store.list_passages("docs", ["a", "b"])} == set(digests.values())


async def test_two_documents_with_one_id_are_refused(store):
    document = passages("a", "one")[0]
    with pytest.raises(orbit.ProviderError, match=r"two documents have the id 'a:d1:0'"):
        await store.index("docs", [document, document], CONTEXT)


async def test_characters_that_the_database_cannot_store(store):
    document = orbit.Document("i\0", "one\0two", "s\0", "t\0", "l\0", "d\0", metadata={"k": "v\0", "n": float("nan")})
    await store.index("docs", [document], CONTEXT)
    (found,) = await store.list_passages("docs", ["s\0"])
    assert (found.text, found.source, found.metadata) == ("one\ufffdtwo", "s\ufffd", {"k": "v\ufffd"})
    assert await store.forget("docs", ["s\0"]) == 1


async def test_forgotten_sources_are_found_no_more(store):
    documents = [*passages("a", "one", "two"), *passages("b", "three"), *passages("c/d.md", "four")]
    await store.index("docs", documents, CONTEXT)
    assert await store.forget("docs", ["a", "c/d.md", "never"]) == 2
    assert await store.list_sources("docs") == {"b": "d1"}
    assert await held(store) == 1
    assert await store.forget("none", ["a"]) == 0


async def test_a_copy_is_completed_and_cleaned(store, monkeypatch):
    monkeypatch.setattr(writing, "WRITE_SIZE", 2)
    for number in range(5):
        await store.index("docs", passages(f"s{number}", "one", "two", "three"), CONTEXT)
    await store.index("other", [*passages("s1", "one", "two", "three"), *passages("stray", "x")], CONTEXT)
    copied: list[int] = []
    assert await store.copy("docs", "other", "fake/words", orbit.CallContext("test", progress=copied.append)) == 15
    assert sum(copied) == 12, "one source was there"
    assert await store.list_sources("other") == await store.list_sources("docs")
    assert await held(store, "other") == 15
    names = [f"s{n}" for n in range(5)]
    assert await store.list_passages("other", names) == await store.list_passages("docs", names)
    assert await store.copy("absent", "other", "fake/words", CONTEXT) == 0


async def test_another_model_embeds_again_and_the_former_vectors_answer_until_it_is_enabled(section, opened, tmp_path):
    settings = {**section, "relevance_threshold": 0, "confidence_threshold": 0}
    earlier, later = WordHost(tmp_path), WordHost(tmp_path, "fake/more-words", 32)
    async with opened(earlier, **settings) as old, opened(later, **settings) as new:
        await old.index("docs", passages("a", "one", "two"), CONTEXT)
        with pytest.raises(orbit.ProviderError, match=r"fake/words \(64 dimensions\), but fake/more-words is in use"):
            await new.retrieve(ask("one"), 1, CONTEXT)
        with pytest.raises(orbit.ProviderError, match="orbit collections re-embed docs"):
            await new.index("docs", passages("b", "three"), CONTEXT)
        assert await new.copy("docs", "docs.next", "fake/more-words", CONTEXT) == 2
        assert await new.rename("docs", "docs.previous")
        assert await new.rename("docs.next", "docs")
        for store in (old, new):
            assert [found.text for found in await store.retrieve(ask("two"), 1, CONTEXT)] == ["two"]
        assert {one.name: (one.embedding, one.dimension) for one in await new.list_collections()} == {
            "docs": ("fake/more-words", 32),
            "docs.previous": ("fake/words", 64),
        }


async def test_an_index_is_built_once_a_collection_is_large(section, host, opened):
    async with opened(host, **section, index_from=10) as store:

        async def indexes():
            async with store._database.reading() as connection:
                return await connection.fetchval(
                    "SELECT count(*) FROM pg_indexes WHERE schemaname = $1 AND indexdef LIKE '%hnsw%'",
                    section["schema"],
                )

        await store.index("docs", passages("a", *map(str, range(9))), CONTEXT)
        assert await indexes() == 0
        await asyncio.gather(*(store.index("docs", passages(f"b{n}", "x", "y"), CONTEXT) for n in range(8)))
        assert await indexes() == 1


async def test_an_index_is_used_in_every_partition(section, host, opened):
    async with opened(host, **section, index_from=0, partitions=3) as store:
        documents = [one for n in range(200) for one in passages(f"s{n}", *(f"w{n} x{k} y" for k in range(20)))]
        await store.index("docs", documents, CONTEXT)
        async with store._database.reading() as connection:
            (vector,) = await host.embed(["w7 x1"], "query", CONTEXT)
            await connection.execute("SET enable_seqscan = off")  # this is a small table
            plan = await connection.fetch("EXPLAIN SELECT id FROM passages_1 ORDER BY vector <#> $1 LIMIT 5", vector)
        assert str(plan).count("vector_idx") == 3, plan


async def test_vectors_too_long_for_an_index_are_searched_exactly(section, opened, tmp_path):
    async with opened(WordHost(tmp_path, dimension=4_096), **section, index_from=0) as store:
        await store.index("docs", passages("a", "one", "two"), CONTEXT)
        assert [found.text for found in await store.retrieve(ask("two"), 1, CONTEXT)] == ["two"]
