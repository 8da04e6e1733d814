"""Index, retrieve, list and drop: the same on an embedded database and on a server."""

import asyncio
import uuid

import pytest
from orbit_chroma import provider, vector_file

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


def ask(text, collection=None):
    return orbit.Query(text=text, collection=collection)


async def test_what_was_indexed_is_found_with_all_its_fields(store, name):
    documents = passages("guide.md", "cats sleep all day", "ferries leave at noon")
    assert await store.index(name, documents, CONTEXT) == 2
    found = await store.retrieve(ask("when do ferries leave", name), 10, CONTEXT)
    best = found[0]
    assert (best.id, best.text, best.source, best.title, best.link, best.digest, best.metadata) == (
        documents[1].id,
        "ferries leave at noon",
        "guide.md",
        "Title of guide.md",
        "https://example.org/guide.md",
        "d1",
        documents[1].metadata,
    )
    assert found[1].score < best.score <= 1


async def test_the_score_is_the_cosine_similarity(store, name):
    await store.index(name, passages("a", "one two", "one three", "four five"), CONTEXT)
    found = await store.retrieve(ask("one two", name), 10, CONTEXT)
    assert [document.score for document in found] == pytest.approx([1.0, 0.5, 0.0], abs=1e-5)
    assert all(0 <= document.score <= 1 for document in found)


async def test_indexing_replaces_only_the_sources_given(store, name):
    await store.index(name, [*passages("a", "old one", "old two", "old three"), *passages("b", "kept")], CONTEXT)
    await store.index(name, passages("a", "new one", digest="d2"), CONTEXT)
    found = await store.retrieve(ask("old new kept", name), 10, CONTEXT)
    assert sorted(document.text for document in found) == ["kept", "new one"]
    assert await store.list_sources(name) == {"a": "d2", "b": "d1"}


async def test_indexing_the_same_again_adds_nothing(store, name):
    for _ in range(2):
        await store.index(name, passages("a", "one", "two"), CONTEXT)
    assert {c.name: c.documents for c in await store.list_collections()}[name] == 2


async def test_a_large_source_is_written_in_parts(store, host, name, monkeypatch):
    monkeypatch.setattr(provider, "WRITE_SIZE", 128)
    texts = [f"passage number {number}" for number in range(300)]
    finished: list[int] = []
    context = orbit.CallContext("test", progress=finished.append)
    assert await store.index(name, passages("big", *texts), context) == 300
    assert host.batches == [128, 128, 44]
    assert len(finished) == 3, "each write starts the deadline again"
    assert await store.list_sources(name) == {"big": "d1"}
    await store.index(name, passages("big", *texts[:1], digest="d2"), CONTEXT)
    assert {c.name: c.documents for c in await store.list_collections()}[name] == 1


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


async def test_the_old_passages_answer_alone_while_the_new_ones_are_embedded(store, host, name, monkeypatch):
    monkeypatch.setattr(provider, "WRITE_SIZE", 100)
    await store.index(name, passages("a", *(f"old {n}" for n in range(200))), CONTEXT)
    host.fail_after = len(host.batches) + 1
    with pytest.raises(orbit.ProviderError, match="the model is gone"):
        await store.index(name, passages("a", *(f"new {n}" for n in range(200)), digest="d2"), CONTEXT)
    host.fail_after = None
    assert await store.list_sources(name) == {"a": "d1"}
    assert {c.name: c.documents for c in await store.list_collections()}[name] == 200
    assert {one.digest for one in await store.retrieve(ask("new 7", name), 10, CONTEXT)} == {"d1"}


@pytest.fixture
def broken_writing(store, monkeypatch):
    """Let the second of several writes fail."""
    monkeypatch.setattr(provider, "WRITE_SIZE", 100)
    write, calls = store._write, []

    async def fail(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise orbit.ProviderError("the disk is full")
        await write(*arguments)

    return lambda: monkeypatch.setattr(store, "_write", fail)


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


async def test_two_documents_with_one_id_are_refused(store, name):
    document = passages("a", "one")[0]
    with pytest.raises(orbit.ProviderError, match=r"two documents have the id 'a:d1:0'"):
        await store.index(name, [document, document], CONTEXT)


async def test_nothing_to_index_makes_no_collection(store, name):
    assert await store.index(name, [], CONTEXT) == 0
    assert name not in {collection.name for collection in await store.list_collections()}


async def test_drop(store, name):
    await store.index(name, passages("a", "one"), CONTEXT)
    assert await store.drop(name) is True
    assert await store.drop(name) is False
    assert await store.list_sources(name) == {}


async def test_forgotten_sources_are_found_no_more(store, name):
    await store.index(
        name, [*passages("a", "one", "two"), *passages("b", "three"), *passages("c/d.md", "four")], CONTEXT
    )
    assert await store.forget(name, ["a", "c/d.md", "never"]) == 2
    assert await store.list_sources(name) == {"b": "d1"}
    assert [document.source for document in await store.retrieve(ask("one two three", name), 10, CONTEXT)] == ["b"]
    assert await store.forget(name, ["a"]) == 0
    assert await store.forget(f"{name}x", ["a"]) == 0


async def test_the_sources_are_those_of_now_after_every_change(store, name):
    changes = [
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


async def test_collections_are_listed_with_what_made_them(store, name):
    await store.index(name, passages("a", "one", "two"), CONTEXT)
    listed = {collection.name: collection for collection in await store.list_collections()}
    assert listed[name] == orbit.Collection(name=name, documents=2, embedding="fake/words", dimension=64)


async def test_an_unknown_collection_is_named_with_the_way_out(store, name):
    with pytest.raises(orbit.ProviderError, match=rf"The collection '{name}' does not exist.*orbit ingest") as caught:
        await store.retrieve(ask("anything", name), 10, CONTEXT)
    assert caught.value.kind == "not_found"


async def test_a_collection_made_after_it_was_missed_is_found(store, name):
    with pytest.raises(orbit.ProviderError):
        await store.retrieve(ask("one", name), 10, CONTEXT)
    await store.index(name, passages("a", "one"), CONTEXT)
    assert await store.retrieve(ask("one", name), 10, CONTEXT)


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


async def test_another_dimension_is_refused(store, host, name):
    await store.index(name, passages("a", "one"), CONTEXT)
    host.dimension = 32
    with pytest.raises(orbit.ProviderError, match=r"64 dimensions.*32 dimensions"):
        await store.retrieve(ask("one", name), 10, CONTEXT)


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
    read = provider._digests

    def counted(*arguments):
        reads.append(1)
        return read(*arguments)

    monkeypatch.setattr(provider, "_digests", counted)
    async with opened(host) as store, opened(host) as other:
        await store.index("docs", passages("a", "one"), CONTEXT)
        for _ in range(3):
            assert await store.list_sources("docs") == {"a": "d1"}
        assert len(reads) == 1
        await other.index("docs", passages("b", "two"), CONTEXT)
        assert set(await store.list_sources("docs")) >= {"a"}
        assert len(reads) == 2
