"""Embeddings: order, batches, prefixes, errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ollama_kit import Served, Start
from ollama_wire import Fault, OllamaWire, embedding
from wire_kit import check_that_ingest_names_shortened_files, too_long_to_embed

from orbit import CallContext, ProviderError


async def test_one_row_for_each_text(served: Served, context: CallContext) -> None:
    vectors = await served.provider.embed(["cats purr", "dogs bark", ""], "document", context)
    again = await served.provider.embed(["dogs bark"], "document", context)

    assert vectors.dtype == np.float32
    assert vectors.shape[0] == 3
    assert np.isfinite(vectors).all()
    np.testing.assert_allclose(again[0], vectors[1], atol=1e-3)


async def test_batches_keep_the_order(start: Start, context: CallContext) -> None:
    async with OllamaWire() as one, OllamaWire() as two:
        one.delay = 0.01
        provider = await start(base_url=[one.url, two.url], embed_batch_size=7, document_prefix="")
        texts = [f"text number {number} of many" for number in range(100)]

        vectors = await provider.embed(texts, "document", context)

        np.testing.assert_allclose(vectors, np.array([embedding(text) for text in texts], np.float32), atol=1e-6)
        requests = [body["input"] for body in one.asked("/api/embed") + two.asked("/api/embed")]
        assert max(len(texts) for texts in requests) == 7
        assert one.asked("/api/embed")
        assert two.asked("/api/embed")


async def test_nothing_to_embed_asks_nothing(wire: OllamaWire, start: Start, context: CallContext) -> None:
    provider = await start(base_url=wire.url)

    assert (await provider.embed([], "document", context)).shape[0] == 0
    assert not wire.asked("/api/embed")


@pytest.mark.parametrize(
    ("model", "settings", "query", "document"),
    [
        ("nomic-embed-text", {}, "search_query: cats", "search_document: cats"),
        ("nomic-embed-text:v1.5", {}, "search_query: cats", "search_document: cats"),
        ("user/nomic-embed-text", {}, "search_query: cats", "search_document: cats"),
        ("nomic-embed-text", {"query_prefix": "", "document_prefix": "d: "}, "cats", "d: cats"),
        ("all-minilm", {}, "cats", "cats"),
        ("embeddinggemma", {}, "task: search result | query: cats", "title: none | text: cats"),
    ],
)
async def test_prefixes(
    wire: OllamaWire,
    start: Start,
    context: CallContext,
    model: str,
    settings: dict[str, str],
    query: str,
    document: str,
) -> None:
    wire.models = [*wire.models, model if ":" in model else f"{model}:latest"]
    provider = await start(base_url=wire.url, embed_model=model, **settings)

    await provider.embed(["cats"], "query", context)
    await provider.embed(["cats"], "document", context)

    assert [body["input"] for body in wire.asked("/api/embed")] == [[query], [document]]


async def test_failures_are_retried_or_named(wire: OllamaWire, start: Start, context: CallContext) -> None:
    provider = await start(base_url=wire.url, max_retries=1)
    wire.faults += [Fault("status", status=503, error="busy")]
    assert len(await provider.embed(["cats"], "query", context)) == 1

    wire.models = []
    with pytest.raises(ProviderError, match="ollama pull nomic-embed-text") as raised:
        await provider.embed(["cats"], "query", context)
    assert raised.value.kind == "not_found"


async def test_several_batches_fail_as_one_error(wire: OllamaWire, start: Start, context: CallContext) -> None:
    provider = await start(base_url=wire.url, embed_batch_size=1, max_retries=0)
    wire.faults += [Fault("status", status=500, error="broken")] * 10

    with pytest.raises(ProviderError, match="broken"):
        await provider.embed(["a", "b", "c"], "document", context)


async def test_without_a_model_it_says_what_to_set(wire: OllamaWire, start: Start, context: CallContext) -> None:
    provider = await start(base_url=wire.url, embed_model="")

    with pytest.raises(ProviderError, match=r"ollama\.embed_model"):
        await provider.embed(["cats"], "query", context)


async def test_a_text_that_is_too_long_is_shortened_and_the_others_are_whole(
    wire: OllamaWire, start: Start, context: CallContext, caplog: pytest.LogCaptureFixture
) -> None:
    said = "the input length exceeds the context length"
    wire.refuse = lambda _, body: (400, said) if max(map(len, body.get("input", [""]))) > 600 else None
    provider = await start(base_url=wire.url)
    long = "secret words of somebody " * 200

    vectors = await provider.embed(["cats", long, "dogs"], "document", context)

    sent = [text for body in wire.asked("/api/embed") for text in body["input"] if "secret" in text]
    assert 300 < len(sent[-1]) <= 600
    assert all(body["truncate"] is False for body in wire.asked("/api/embed"))  # else the server cuts in silence
    assert np.allclose(vectors[0], embedding("search_document: cats"))
    assert np.allclose(vectors[1], embedding(sent[-1]))
    assert "nomic-embed-text cannot read a text of 5000 characters" in caplog.text
    assert "secret" not in caplog.text
    assert len(await provider.embed([long], "query", context)) == 1


async def test_another_refusal_of_a_batch_stays_an_error(wire: OllamaWire, start: Start, context: CallContext) -> None:
    wire.refuse = lambda *_: (400, "invalid option provided")
    provider = await start(base_url=wire.url)

    with pytest.raises(ProviderError, match="invalid option"):
        await provider.embed(["cats", "dogs"], "document", context)
    assert len(wire.asked("/api/embed")) == 1


async def test_ingest_names_the_files_whose_passages_were_shortened(wire: OllamaWire, tmp_path: Path) -> None:
    wire.refuse = too_long_to_embed
    settings = {"base_url": wire.url, "model": "llama3.2", "embed_model": "nomic-embed-text"}
    await check_that_ingest_names_shortened_files("ollama", settings, tmp_path)
