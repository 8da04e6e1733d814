"""Index, retrieve, list, copy and drop, exactly and with an index."""

import asyncio

import pytest
from orbit_pgvector import tables, writing
from store_kit import CONTEXT, StoreContract, WordHost, ask, held, passages

import orbit


@pytest.fixture(params=[{}, {"index_from": 0}, {"index_from": 0, "partitions": 4}], ids=["exact", "hnsw", "parts"])
async def store(request, section, host, opened):
    async with opened(host, relevance_threshold=0, confidence_threshold=0, **section, **request.param) as made:
        yield made


@pytest.fixture
def name():
    return "docs"


class TestContract(StoreContract):
    WRITING = writing
    PRECISION = 1e-3


async def test_a_question_without_words_finds_nothing_relevant(store):
    await store.index("docs", passages("a", "one two", ""), CONTEXT)
    assert [document.score for document in await store.retrieve(ask("", "docs"), 10, CONTEXT)] == [0.0, 0.0]


async def test_more_are_found_than_the_index_takes_at_once(store):
    await store.index("docs", passages("a", *(f"word a{n} b{n} c{n}" for n in range(300))), CONTEXT)
    assert len(await store.retrieve(ask("word", "docs"), 250, CONTEXT)) == 250


async def test_writers_of_the_same_sources_leave_one_version(store):
    """In whatever order they name them: none waits for the other for ever."""
    versions = [[*passages("a", "one", digest=d), *passages("b", "two", digest=d)][:: 1 - 2 * (n % 2)]
                for n, d in enumerate("stuvwxyz")]  # fmt: skip
    await asyncio.gather(*(store.index("docs", version, CONTEXT) for version in versions))
    digests = await store.list_sources("docs")
    assert set(digests) == {"a", "b"}
    assert await held(store, "docs") == 2
    assert {one.digest for one in await store.list_passages("docs", ["a", "b"])} == set(digests.values())


@pytest.mark.parametrize("hook", ["retrieve", "list_sources", "list_passages", "copy"])
async def test_a_collection_that_is_replaced_after_it_was_found_is_read_as_it_is_now(store, monkeypatch, hook):
    await store.index("docs", passages("a", "one"), CONTEXT)
    await store.index("docs.new", passages("b", "one"), CONTEXT)
    find, waiting = tables.find, True

    async def find_and_replace(connection, name, **options):
        nonlocal waiting
        found = await find(connection, name, **options)
        if waiting and name == "docs":
            waiting = False
            await store.drop("docs")
            await store.rename("docs.new", "docs")
        return found

    monkeypatch.setattr(tables, "find", find_and_replace)
    if hook == "retrieve":
        sources = {one.source for one in await store.retrieve(ask("one", "docs"), 10, CONTEXT)}
    elif hook == "list_sources":
        sources = set(await store.list_sources("docs"))
    elif hook == "list_passages":
        sources = {one.source for one in await store.list_passages("docs", ["a", "b"])}
    else:
        assert await store.copy("docs", "copied", "fake/words", CONTEXT) == 1
        sources = set(await store.list_sources("copied"))
    assert not waiting
    assert sources == {"b"}


async def test_characters_that_the_database_cannot_store(store):
    document = orbit.Document("i\0", "one\0two", "s\0", "t\0", "l\0", "d\0", metadata={"k": "v\0", "n": float("nan")})
    await store.index("docs", [document], CONTEXT)
    (found,) = await store.list_passages("docs", ["s\0"])
    assert (found.text, found.source, found.metadata) == ("one\ufffdtwo", "s\ufffd", {"k": "v\ufffd"})
    assert await store.forget("docs", ["s\0"]) == 1


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
            await new.retrieve(ask("one", "docs"), 1, CONTEXT)
        with pytest.raises(orbit.ProviderError, match="orbit collections re-embed docs"):
            await new.index("docs", passages("b", "three"), CONTEXT)
        assert await new.copy("docs", "docs.next", "fake/more-words", CONTEXT) == 2
        assert await new.rename("docs", "docs.previous")
        assert await new.rename("docs.next", "docs")
        for store in (old, new):
            assert [found.text for found in await store.retrieve(ask("two", "docs"), 1, CONTEXT)] == ["two"]
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
        assert [found.text for found in await store.retrieve(ask("two", "docs"), 1, CONTEXT)] == ["two"]
