"""Collections that other programs made: taken over if the embedding in use made their vectors."""

import json
from typing import Any, cast

import chromadb
import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

import orbit
from orbit.cli import orbit as command

CONTEXT = orbit.CallContext(request_id="test")
TEXTS = ["the library opens at nine", "the pool is closed on sunday", "parking costs two euros"]


@pytest.fixture
async def make(host):
    """Make a collection as another program would: ``await make(name, vectors=..., metadata=...)``."""

    async def _make(name, *, vectors=None, metadata=None, records=None, **arguments):
        if vectors is None:
            vectors = await host.embed(TEXTS, "document", CONTEXT)
        with cast("Any", chromadb.PersistentClient(path=host.data_dir / "chroma")) as client:
            made = client.create_collection(name, metadata=metadata, embedding_function=None, **arguments)
            records = records or [{"source": f"{letter}.md", "page": 3} for letter in "abc"]
            made.add(ids=["1", "2", "3"], documents=TEXTS, embeddings=vectors, metadatas=records)

    return _make


@pytest.mark.parametrize(
    "made",
    [
        {},  # Chroma's default, which LangChain takes too: l2
        {"metadata": {"hnsw:space": "l2"}},
        {"metadata": {"hnsw:space": "cosine", "owner": "wiki"}},
        {"metadata": {"hnsw:space": "ip"}},
        {"configuration": {"hnsw": {"space": "cosine"}}},
        {"metadata": {"orbit_embedding": "fake/words", "orbit_dimension": 64}},
    ],
)
async def test_an_adopted_collection_answers_with_cosine_similarities(host, opened, make, made):
    await make("theirs", **made)
    async with opened(host) as store:
        adopted = await store.adopt("theirs", CONTEXT)
        assert (adopted.name, adopted.documents, adopted.embedding, adopted.dimension) == (
            "theirs",
            3,
            "fake/words",
            64,
        )
        assert await store.adopt("theirs", CONTEXT) == adopted
        found = await store.retrieve(orbit.Query(TEXTS[1], collection="theirs"), 1, CONTEXT)
    assert [(one.id, one.source, one.metadata["page"]) for one in found] == [("2", "b.md", 3)]
    assert found[0].score == pytest.approx(1)


async def test_scores_are_those_of_a_collection_of_our_own(host, opened, make):
    await make("theirs")
    async with opened(host, relevance_threshold=0, confidence_threshold=0) as store:
        await store.adopt("theirs", CONTEXT)
        documents = [orbit.Document(str(n), text, source=str(n)) for n, text in enumerate(TEXTS, 1)]
        await store.index("ours", documents, CONTEXT)
        scores = []
        for name in ("theirs", "ours"):
            found = await store.retrieve(orbit.Query("when is the pool closed", collection=name), 3, CONTEXT)
            scores.append([(one.id, round(one.score, 4)) for one in found])
    assert scores[0] == scores[1]


async def test_what_is_ingested_again_replaces_what_the_other_program_wrote(host, opened, make):
    await make("theirs")
    async with opened(host) as store:
        await store.adopt("theirs", CONTEXT)
        assert await store.list_sources("theirs") == dict.fromkeys(("a.md", "b.md", "c.md"), "adopted")
        await store.index("theirs", [orbit.Document("9", "it opens at ten now", source="a.md", digest="d")], CONTEXT)
        assert await store.list_sources("theirs") == {"a.md": "d", "b.md": "adopted", "c.md": "adopted"}
        assert await store.forget("theirs", ["b.md"]) == 1
        (listed,) = await store.list_collections()
    assert listed.documents == 2


LANGCHAIN = {"source": "/in/b.pdf", "page": 0, "page_label": "1", "start_index": 7, "title": "Fees"}
LLAMAINDEX = {
    "file_path": "/in/b.pdf",
    "file_name": "b.pdf",
    "page_label": "12",
    "_node_content": "{}",
    "_node_type": "x",
    "document_id": "1",
    "doc_id": "1",
    "ref_doc_id": "1",
    "file_size": 3,
}


@pytest.mark.parametrize(
    ("record", "source", "title", "link", "page"),
    [
        (LANGCHAIN, "/in/b.pdf", "Fees", "", 1),
        (LLAMAINDEX, "b.pdf", "", "", 12),
        ({"filename": "b.docx", "page_number": 2, "file_directory": "/in"}, "b.docx", "", "", 2),
        (
            {"source": "https://example.org/b", "title": "B"},
            "https://example.org/b",
            "B",
            "https://example.org/b",
            None,
        ),
        (
            {"url": "https://example.org/b", "page_label": "iv"},
            *["https://example.org/b", "", "https://example.org/b"],
            "iv",
        ),
        ({"file_path": "in/b.md", "page": 3}, "in/b.md", "", "", 3),
        ({"author": "b"}, "", "", "", None),
    ],
)
async def test_the_sources_of_other_programs(host, opened, make, record, source, title, link, page):
    await make("theirs", records=[{"source": "a.md"}, record, {"source": "c.md"}])
    async with opened(host) as store:
        await store.adopt("theirs", CONTEXT)
        query = orbit.Query(TEXTS[1], collection="theirs")
        (found,) = await store.retrieve(query, 1, CONTEXT)
        assert (found.source, found.title, found.link, found.metadata.get("page")) == (source, title, link, page)
        assert not [key for key in found.metadata if key.startswith("_node")]
        condition = orbit.ComparisonFilter("eq", "page", page if page is not None else "none")
        filtered = await store.retrieve(msgspec.structs.replace(query, filter=condition), 1, CONTEXT)
        assert len(filtered) == (page is not None)
        assert set(await store.list_sources("theirs")) == {"a.md", "c.md", *([source] if source else [])}
        if source:
            assert await store.forget("theirs", [source]) == 1


async def test_metadata_that_llamaindex_embedded_is_no_other_model(host, opened, make):
    node = {
        "metadata": {"file_path": "/in/rules for all the towns.md", "size": 3},
        "excluded_embed_metadata_keys": ["size"],
    }
    vectors = await host.embed(
        [f"file_path: /in/rules for all the towns.md\n\n{text}" for text in TEXTS], "document", CONTEXT
    )
    await make("theirs", vectors=vectors, records=[{"_node_content": json.dumps(node)}] * 3)
    async with opened(host) as store:
        assert (await store.adopt("theirs", CONTEXT)).embedding == "fake/words"


async def test_files_of_one_name_in_several_folders_are_not_replaced_by_one(host, opened, make):
    records = [{"file_name": "a.md", "file_path": f"/in/{place}/a.md"} for place in "xyz"]
    await make("theirs", records=records)
    async with opened(host) as store:
        await store.adopt("theirs", CONTEXT)
        await store.index("theirs", [orbit.Document("9", "it opens at ten now", source="a.md", digest="d")], CONTEXT)
        (listed,) = await store.list_collections()
    assert listed.documents == 4


@pytest.mark.parametrize(
    ("vectors", "space", "said"),
    [
        (
            np.eye(3, 64),
            "cosine",
            "fake/words did not make its vectors: for .*3 of its texts, new vectors have a median similarity of",
        ),
        (np.eye(3, 5), "cosine", "its vectors have 5 dimensions, those of fake/words 64"),
    ],
)
async def test_vectors_of_another_model_are_refused(host, opened, make, vectors, space, said):
    await make("theirs", vectors=vectors, configuration={"hnsw": {"space": space}})
    async with opened(host) as store:
        with pytest.raises(orbit.ProviderError, match=f"'theirs' cannot be adopted: {said}.* re-embed theirs"):
            await store.adopt("theirs", CONTEXT)
        with pytest.raises(orbit.ProviderError, match="does not record"):
            await store.retrieve(orbit.Query("x", collection="theirs"), 1, CONTEXT)


async def test_distances_that_are_no_similarities_are_refused(host, opened, make):
    await make("long2", vectors=3 * await host.embed(TEXTS, "document", CONTEXT))
    async with opened(host) as store:
        with pytest.raises(orbit.ProviderError, match="its metric is l2 and its vectors do not have length 1"):
            await store.adopt("long2", CONTEXT)


async def test_a_collection_of_another_embedding_stays_refused(host, opened, make):
    await make("theirs", metadata={"orbit_embedding": "other/model", "orbit_dimension": 64})
    async with opened(host) as store:
        with pytest.raises(orbit.ProviderError, match="contains vectors of other/model"):
            await store.adopt("theirs", CONTEXT)
        with pytest.raises(orbit.ProviderError, match="The collection 'nothing' does not exist"):
            await store.adopt("nothing", CONTEXT)


async def test_an_empty_collection_and_one_without_texts(host, opened):
    with cast("Any", chromadb.PersistentClient(path=host.data_dir / "chroma")) as client:
        client.create_collection("empty", embedding_function=None)
        client.create_collection("mute", embedding_function=None).add(ids=["1"], embeddings=np.eye(1, 64))
    async with opened(host) as store:
        assert (await store.adopt("empty", CONTEXT)).embedding == "fake/words"
        assert await store.index("empty", [orbit.Document("1", TEXTS[0], source="a")], CONTEXT) == 1
        with pytest.raises(orbit.ProviderError, match="'mute' contains no texts"):
            await store.adopt("mute", CONTEXT)


async def test_a_collection_of_unknown_vectors_can_be_embedded_again(host, opened, make):
    await make("theirs")
    async with opened(host, relevance_threshold=0, confidence_threshold=0) as store:
        with pytest.raises(orbit.ProviderError, match="orbit collections re-embed theirs"):
            await store.retrieve(orbit.Query("x", collection="theirs"), 1, CONTEXT)
        for _ in range(2):
            assert await store.copy("theirs", "ours", "fake/words", CONTEXT) == len(TEXTS)
        assert set((await store.list_sources("ours")).values()) == {"adopted"}
        found = await store.retrieve(orbit.Query(TEXTS[0], collection="ours"), 1, CONTEXT)
        assert found[0].text == TEXTS[0]
        assert found[0].source


def test_the_command_takes_over_a_default_collection_that_refuses_the_start(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text("echo: {}\nwordllama: {}\nchroma: {collection: theirs}\n")
    runner = CliRunner()
    config = ["--config", "config.yaml"]
    (tmp_path / "a.md").write_text(TEXTS[0])
    assert runner.invoke(command, ["ingest", "a.md", "--collection", "theirs", *config]).exit_code == 0
    with cast("Any", chromadb.PersistentClient(path=tmp_path / "data" / "chroma")) as client:
        client.get_collection("theirs", embedding_function=None).modify(metadata={"by": "hand"})

    listed = runner.invoke(command, ["collections", "list", *config]).output
    assert "unknown: see orbit collections adopt" in listed
    refused = runner.invoke(command, ["ingest", "a.md", "--collection", "theirs", *config])
    assert "orbit collections adopt theirs" in str(refused.exception)
    wrong = runner.invoke(command, ["collections", "adopt", "theirs", "--embedding", "ollama/nomic", *config])
    assert "the embedding in use is wordllama/" in str(wrong.exception)
    adopted = runner.invoke(command, ["collections", "adopt", "theirs", *config])
    assert adopted.output.startswith("Collection theirs is adopted: 1 passages, vectors of wordllama/"), adopted
    assert '"embedding": "wordllama/' in runner.invoke(command, ["collections", "list", "--json", *config]).output
    assert runner.invoke(command, ["ingest", "a.md", "--collection", "theirs", *config]).exit_code == 0
