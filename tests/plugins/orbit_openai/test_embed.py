"""Vectors: their order, batches, prefixes, and what happens when a batch fails."""

from __future__ import annotations

import numpy as np
import pytest
from openai_kit import Start
from openai_wire import Fault, OpenAIWire, embedding

from orbit import CallContext, ProviderError

PATH = "/v1/embeddings"


async def test_one_row_for_each_text(wire: OpenAIWire, start: Start, context: CallContext) -> None:
    provider = await start(base_url=wire.url)
    vectors = await provider.embed(["cats", "", "dogs"], "document", context)

    assert (vectors.shape, vectors.dtype) == ((3, 32), np.float32)
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
    with pytest.raises(ProviderError, match="does not answer as OpenAI's API"):
        await provider.embed(["cats"], "query", context)


async def test_several_batches_fail_as_one_error(wire: OpenAIWire, start: Start, context: CallContext) -> None:
    provider = await start(base_url=wire.url, embed_batch_size=1, max_retries=0)
    wire.faults += [Fault("status", status=400, error="too much")] * 3

    with pytest.raises(ProviderError, match="too much"):
        await provider.embed(["a", "b", "c"], "document", context)
