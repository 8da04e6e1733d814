"""Index, retrieve, list and drop: the same on an embedded database and on a server."""

import asyncio
import uuid

import pytest
from orbit_chroma import passages as stored
from orbit_chroma import provider, vector_file
from store_kit import CONTEXT, StoreContract, ask, passages

import orbit


@pytest.fixture(params=["embedded", "server"])
def mode(request):
    """Settings for one of the two modes."""
    if request.param == "embedded":
        return {}
    return {"host": "127.0.0.1", "port": request.getfixturevalue("shared_server").port}


@pytest.fixture
def name():
    """A collection of its own for each test: the server is shared."""
    return f"c{uuid.uuid4().hex}"


@pytest.fixture
async def store(mode, host, opened):
    async with opened(host, relevance_threshold=0, confidence_threshold=0, **mode) as provider:
        yield provider


class TestContract(StoreContract):
    WRITING = provider


async def test_vectors_that_do_not_fit_into_memory_come_back_in_order(store, name, monkeypatch):
    monkeypatch.setattr(provider, "WRITE_SIZE", 7)
    monkeypatch.setattr(vector_file, "MEMORY", 1000)
    texts = [f"word{number}" for number in range(40)]
    await store.index(name, passages("big", *texts), CONTEXT)
    for text in texts[::13]:
        assert (await store.retrieve(ask(text, name), 1, CONTEXT))[0].score == pytest.approx(1, abs=1e-5)


async def test_large_vectors_are_written_a_few_at_a_time(store, name, monkeypatch):
    """Servers refuse large requests."""
    monkeypatch.setattr(provider, "WRITE_NUMBERS", 64 * 5)
    finished: list[int] = []
    texts = [f"passage number {number}" for number in range(12)]
    await store.index(name, passages("a", *texts), orbit.CallContext("test", progress=finished.append))
    assert len(finished) == 3


@pytest.fixture
def broken_writing(store, monkeypatch):
    """Let the second of several writes fail."""
    monkeypatch.setattr(provider, "WRITE_SIZE", 100)
    write, calls = store.database.write, []

    async def fail(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise orbit.ProviderError("the disk is full")
        await write(*arguments)

    return lambda: monkeypatch.setattr(store.database, "write", fail)


async def test_an_interrupted_replacement_keeps_the_old_and_is_not_called_done(store, name, broken_writing):
    await store.index(name, passages("a", *(f"old {n}" for n in range(200))), CONTEXT)
    broken_writing()
    with pytest.raises(orbit.ProviderError, match="the disk is full"):
        await store.index(name, passages("a", *(f"new {n}" for n in range(200)), digest="d2"), CONTEXT)
    assert await store.list_sources(name) == {"a": ""}
    found = await store.retrieve(ask("old 7", name), 10, CONTEXT)
    assert found[0].text.startswith("old ")  # that of 7 or of a number with the same hash


async def test_an_interrupted_first_write_is_not_called_done(store, name, broken_writing):
    broken_writing()
    with pytest.raises(orbit.ProviderError, match="the disk is full"):
        await store.index(name, passages("a", *(f"new {n}" for n in range(200))), CONTEXT)
    assert await store.list_sources(name) == {"a": ""}


async def test_two_writers_of_one_source_leave_one_version(store, name):
    await asyncio.gather(
        store.index(name, passages("a", "one", "two", digest="d1"), CONTEXT),
        store.index(name, passages("a", "three", digest="d2"), CONTEXT),
    )
    (digest,) = (await store.list_sources(name)).values()
    texts = {document.text for document in await store.retrieve(ask("one two three", name), 10, CONTEXT)}
    assert texts <= ({"one", "two"} if digest == "d1" else {"three"})
    assert texts


@pytest.mark.parametrize("bad", ["a", "two words", "ümlaut", "x" * 513, "-dash", "a/b", "a..b", "192.168.0.1"])
async def test_a_name_that_chroma_refuses_is_explained(store, bad):
    for call in (store.retrieve(ask("x", bad), 10, CONTEXT), store.index(bad, passages("a", "one"), CONTEXT)):
        with pytest.raises(orbit.ProviderError, match="cannot name a collection; use 3 to 512 letters"):
            await call


async def test_a_handle_survives_dropping_and_making_again_elsewhere(mode, host, opened, store, name):
    await store.index(name, passages("a", "one two three"), CONTEXT)
    await store.retrieve(ask("one", name), 10, CONTEXT)
    async with opened(host, **mode) as other:
        await other.drop(name)
        await other.index(name, passages("b", "one more"), CONTEXT)
    assert [document.source for document in await store.retrieve(ask("one", name), 10, CONTEXT)] == ["b"]
    assert await store.list_sources(name) == {"b": "d1"}
    await store.index(name, passages("c", "one again"), CONTEXT)
    assert await store.list_sources(name) == {"b": "d1", "c": "d1"}


async def test_a_handle_notices_a_drop_elsewhere(mode, host, opened, store, name):
    await store.index(name, passages("a", "one two three"), CONTEXT)
    await store.retrieve(ask("one", name), 10, CONTEXT)
    async with opened(host, **mode) as other:
        await other.drop(name)
    with pytest.raises(orbit.ProviderError, match="does not exist"):
        await store.retrieve(ask("one", name), 10, CONTEXT)
    assert await store.list_sources(name) == {}
    await store.index(name, passages("a", "one"), CONTEXT)
    assert await store.retrieve(ask("one", name), 10, CONTEXT)


async def test_nothing_is_embedded_for_a_collection_that_does_not_exist(store, host, name):
    with pytest.raises(orbit.ProviderError, match="does not exist"):
        await store.retrieve(ask("one", name), 10, CONTEXT)
    assert host.batches == []


async def test_another_embedding_model_is_refused_with_both_names(store, host, name):
    await store.index(name, passages("a", "one"), CONTEXT)
    host.embedding = "ollama/nomic"
    calls = [
        lambda: store.retrieve(ask("one", name), 10, CONTEXT),
        lambda: store.index(name, passages("b", "two"), CONTEXT),
        lambda: store.list_sources(name),
    ]
    for call in calls:
        with pytest.raises(
            orbit.ProviderError,
            match=r"fake/words \(64 dim.*ollama/nomic.*orbit collections re-embed.*restore the embedding provider",
        ):
            await call()
    host.embedding = "fake/words"
    assert await store.list_sources(name) == {"a": "d1"}


async def test_a_mismatch_of_the_default_collection_refuses_the_start(mode, host, opened, store, name):
    await store.index(name, passages("a", "one"), CONTEXT)
    host.embedding = "ollama/nomic"
    with pytest.raises(orbit.ConfigError, match=r"chroma.collection.*fake/words.*ollama/nomic"):
        async with opened(host, collection=name, **mode):
            pass


async def test_unusual_text_and_metadata_survive(store, name):
    text = "東京 🙂 \x00 'quote' \"double\" \\ %s {} \n\t " + "x" * 100_000
    document = orbit.Document(id="ü/1", text=text, source="ä b/ç.md", metadata={"orbit_source": "forged", "n": -1})
    await store.index(name, [document], CONTEXT)
    (found,) = await store.retrieve(ask("東京", name), 10, CONTEXT)
    assert (found.text, found.source, found.metadata) == (text, "ä b/ç.md", {"n": -1})


async def test_the_sources_of_an_embedded_database_are_read_once_until_somebody_writes(host, opened, monkeypatch):
    reads = []
    read = stored._digests

    def counted(*arguments):
        reads.append(1)
        return read(*arguments)

    monkeypatch.setattr(stored, "_digests", counted)
    async with opened(host) as store, opened(host) as other:
        await store.index("docs", passages("a", "one"), CONTEXT)
        for _ in range(3):
            assert await store.list_sources("docs") == {"a": "d1"}
        assert len(reads) == 1
        await other.index("docs", passages("b", "two"), CONTEXT)
        assert set(await store.list_sources("docs")) >= {"a"}
        assert len(reads) == 2
