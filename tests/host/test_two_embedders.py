"""A collection remembers the model of its vectors: it goes on with that one while another is the server's own."""

from pathlib import Path
from typing import Any

import pytest

import orbit
from orbit.testing import make_host

CONTEXT = orbit.CallContext(request_id="test")
TEA = orbit.Document("tea", "Green tea is steeped for two minutes.", "tea.md", digest="1")
TRAIN = orbit.Document("train", "The train to the harbour leaves at noon.", "train.md", digest="2")


def config(**sections: Any) -> dict[str, Any]:
    return {"general": {}, "chroma": {"collection": "docs"}, "echo": {}, **sections}


async def found(host: Any, question: str, collection: str) -> list[str]:
    search = host.registry.caller("retrieve", "chroma")
    return [one.id for one in await search(query=orbit.Query(question, collection), limit=1, context=CONTEXT)]


async def test_an_earlier_collection_goes_on_with_its_model(tmp_path: Path) -> None:
    async with make_host(config(wordllama={}), tmp_path) as host:
        await host.index("docs", [TEA], CONTEXT)
    both: dict[str, dict[str, Any]] = {"onnx": {}, "wordllama": {}}
    settings = config(**both)
    settings["general"]["embedding_provider"] = "onnx"
    async with make_host(settings, tmp_path) as host:
        assert host.embedding == "onnx/minilm"
        await host.index("docs", [TRAIN], CONTEXT)
        await host.index("new", [TEA, TRAIN], CONTEXT)
        assert await host.list_sources("docs", CONTEXT) == {"tea.md": "1", "train.md": "2"}
        embeddings = {one.name: one.embedding for one in await host.list_collections(CONTEXT)}
        assert embeddings == {"docs": "wordllama/l2_supercat-256", "new": "onnx/minilm"}
        for collection in embeddings:
            assert await found(host, "When does the train leave for the harbour?", collection) == ["train"]
            assert await found(host, "How long is green tea steeped?", collection) == ["tea"]
        await host.drop("docs", CONTEXT)
        await host.index("docs", [TEA], CONTEXT)
        assert {one.embedding for one in await host.list_collections(CONTEXT)} == {"onnx/minilm"}


async def test_a_collection_whose_model_is_switched_off_is_refused(tmp_path: Path) -> None:
    async with make_host(config(wordllama={}), tmp_path) as host:
        await host.index("docs", [TEA], CONTEXT)
    with pytest.raises(orbit.PluginLoadError, match="contains vectors of wordllama/l2_supercat-256"):
        async with make_host(config(onnx={}), tmp_path):
            pass


async def test_a_model_that_nobody_has_is_named(tmp_path: Path) -> None:
    async with make_host(config(wordllama={}), tmp_path) as host:
        assert host.embeds("wordllama/l2_supercat-256")
        assert not host.embeds("onnx/minilm")
        with pytest.raises(orbit.ProviderError, match="no enabled provider embeds with onnx/minilm"):
            await host.embed(["tea"], "query", CONTEXT, "onnx/minilm")
