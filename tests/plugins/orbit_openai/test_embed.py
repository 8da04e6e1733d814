"""Vectors: their order, batches, prefixes, and what happens when a batch fails."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ollama_wire import embedding
from openai_kit import Start
from openai_wire import Fault, OpenAIWire
from wire_kit import check_that_ingest_names_shortened_files, too_long_to_embed

from orbit import CallContext, ProviderError
from orbit.upstreams.batches import embed_in_batches

PATH = "/v1/embeddings"


async def test_one_row_for_each_text(wire: OpenAIWire, start: Start, context: CallContext) -> None:
    provider = await start(base_url=wire.url)
    vectors = await provider.embed(["cats", "", "dogs"], "document", context)

    assert (vectors.shape, vectors.dtype) == ((3, 32), np.dtype(np.float32))
    assert np.allclose(vectors[2], embedding("dogs"))
    assert np.isfinite(vectors).all()


async def test_batches_keep_the_order(start: Start, context: CallContext) -> None:
    texts = [f"text number {number}" for number in range(23)]
    async with OpenAIWire(delay=0.01) as one, OpenAIWire(delay=0.03) as two:
        provider = await start(base_url=[one.url, two.url], embed_batch_size=5)
        vectors = await provider.embed(texts, "document", context)
        sizes = sorted(len(body["input"]) for body in one.asked(PATH) + two.asked(PATH))

    assert np.allclose(vectors, [embedding(text) for text in texts])
    assert sizes == [3, 5, 5, 5, 5]


async def test_batches_with_vectors_of_several_sizes_are_refused() -> None:
    async def embed(batch: Sequence[str]) -> list[list[float]]:
        return [[1.0] * len(batch[0])]

    with pytest.raises(ProviderError, match="vectors of 1 and 3 dimensions"):
        await embed_in_batches(["aaa", "a"], embed, size=1, concurrency=2)


async def test_nothing_to_embed_asks_nothing(wire: OpenAIWire, start: Start, context: CallContext) -> None:
    provider = await start(base_url=wire.url)

    assert len(await provider.embed([], "document", context)) == 0
    assert not wire.requests


async def test_prefixes_dimensions_and_further_fields(wire: OpenAIWire, start: Start, context: CallContext) -> None:
    own = {"query_prefix": "query: ", "dimensions": 8, "extra_embed_body": {"truncate_prompt_tokens": -1}}
    provider = await start(base_url=wire.url, **own)

    assert (await provider.embed(["cats"], "query", context)).shape == (1, 8)
    await provider.embed(["cats"], "document", context)

    assert [body["input"] for body in wire.asked(PATH)] == [["query: cats"], ["cats"]]
    assert wire.asked(PATH)[0]["truncate_prompt_tokens"] == -1


async def test_failures_are_retried_or_named(wire: OpenAIWire, start: Start, context: CallContext) -> None:
    provider = await start(base_url=wire.url, embed_timeout=0.3)
    wire.faults += [Fault("status", status=503), Fault("die")]
    assert len(await provider.embed(["cats"], "query", context)) == 1

    wire.faults += [Fault("hang")]
    with pytest.raises(ProviderError, match="in time") as raised:
        await provider.embed(["cats"], "query", context)
    assert raised.value.kind == "timeout"

    wire.faults += [Fault("garbage")]
    with pytest.raises(ProviderError, match="does not answer like OpenAI's API"):
        await provider.embed(["cats"], "query", context)


async def test_several_batches_fail_as_one_error(wire: OpenAIWire, start: Start, context: CallContext) -> None:
    provider = await start(base_url=wire.url, embed_batch_size=1, max_retries=0)
    wire.faults += [Fault("status", status=400, error="too much")] * 3

    with pytest.raises(ProviderError, match="too much"):
        await provider.embed(["a", "b", "c"], "document", context)


TEI = "Input validation error: `inputs` must have less than 512 tokens. Given: 900"
LM_STUDIO = "Trying to keep the first 900 tokens when context the overflows. However, the model is loaded with 512"
SAID = [
    # status, what the server says of a text that is too long, or of a batch
    (400, "This model's maximum context length is 512 tokens. However, you requested 900 tokens in the input."),
    (400, "You passed 900 input tokens and requested 0 output tokens. However, the model's context length is only 512"),
    (400, "Invalid 'input[0]': maximum input length is 8192 tokens."),
    (413, {"message": TEI, "type": "Validation"}),
    (500, "input (900 tokens) is too large to process. increase the physical batch size (current batch size: 512)"),
    (400, {"error": LM_STUDIO}),
    (422, {"error": "batch size 64 > maximum allowed batch size 32", "error_type": "Validation"}),
    (400, "Single text cannot exceed 512 tokens. 900 tokens given."),
]


@pytest.mark.parametrize(("status", "said"), SAID)
async def test_a_text_that_is_too_long_is_shortened_and_the_others_are_whole(
    wire: OpenAIWire, start: Start, context: CallContext, status: int, said: Any, caplog: pytest.LogCaptureFixture
) -> None:
    wire.refuse = lambda path, body: (status, said) if max(map(len, body["input"]), default=0) > 100 else None
    provider = await start(base_url=wire.url, document_prefix="passage: ")
    long = "secret words of somebody " * 40

    vectors = await provider.embed(["cats", long, "dogs", ""], "document", context)

    sent = [text for body in wire.asked(PATH) for text in body["input"] if text.startswith("passage: secret")]
    kept = sent[-1]
    assert 50 < len(kept) <= 100
    assert long.startswith(kept.removeprefix("passage: "))
    assert np.allclose(vectors[[0, 1, 2]], [embedding(text) for text in ("passage: cats", kept, "passage: dogs")])
    assert "embedder cannot read a text of 1000 characters" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    "said",
    [
        "Requested 9 inputs, which exceeds 4",
        "batch size is invalid, it should not be larger than 4",
        "at most 4 requests can be in one batch",
        "Too many inputs. The max number of inputs is 4.",
        "List should have at most 4 items after validation, not 9",
        "The batch size limit is 4. Your batch size is 9.",
    ],
)
async def test_a_batch_that_is_too_large_is_sent_in_parts(
    wire: OpenAIWire, start: Start, context: CallContext, caplog: pytest.LogCaptureFixture, said: str
) -> None:
    wire.refuse = lambda path, body: (400, said) if len(body["input"]) > 4 else None
    provider = await start(base_url=wire.url)
    texts = [f"text {number}" for number in range(9)]

    assert np.allclose(await provider.embed(texts, "document", context), [embedding(text) for text in texts])
    assert "reads less" not in caplog.text


async def test_a_text_of_which_nothing_is_taken_is_an_error(
    wire: OpenAIWire, start: Start, context: CallContext
) -> None:
    wire.refuse = lambda path, body: (400, "input is too long")
    provider = await start(base_url=wire.url)

    with pytest.raises(ProviderError, match="too long"):
        await provider.embed(["some words", "more"], "document", context)
    assert len(wire.asked(PATH)) < 20


@pytest.mark.parametrize("status", [401, 403, 404, 429])
async def test_a_limit_of_another_kind_is_no_long_text(
    wire: OpenAIWire, start: Start, context: CallContext, status: int
) -> None:
    wire.refuse = lambda path, body: (status, "You exceeded a limit of your account.")
    provider = await start(base_url=wire.url, max_retries=0)

    with pytest.raises(ProviderError):
        await provider.embed(["cats", "dogs"], "document", context)
    assert len(wire.asked(PATH)) == 1


async def test_ingest_names_the_files_whose_passages_were_shortened(wire: OpenAIWire, tmp_path: Path) -> None:
    wire.refuse = too_long_to_embed
    settings = {"base_url": wire.url, "model": "llama", "embed_model": "embedder"}
    await check_that_ingest_names_shortened_files("openai", settings, tmp_path)
