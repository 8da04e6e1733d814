"""Embedding models in GGUF, and what a model cannot do."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import pytest_asyncio

import orbit
from orbit.testing import host
from orbit.types import CallContext

WHO = CallContext("test")


@pytest_asyncio.fixture
async def bert(gguf: Any, tmp_path: Path, make: Callable[..., Any]) -> AsyncIterator[Any]:
    path = gguf.write_embedder(tmp_path / "bert.gguf")
    async with make(model_path=str(path), n_ctx=0, query_prefix="query ") as provider:
        yield provider


async def test_vectors_have_length_one_and_do_not_depend_on_the_batch(bert: Any) -> None:
    texts = [" ".join("abcdefghijklmnop"[: 1 + i % 16]) for i in range(70)]
    together = await bert.embed(texts, "document", WHO)
    assert together.shape == (70, 32)
    assert together.dtype == np.float32
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    for i in (0, 15, 33, 69):
        alone = (await bert.embed([texts[i]], "document", WHO))[0]
        assert np.allclose(alone, together[i], atol=2e-3)


async def test_questions_get_the_prefix_they_are_configured_with(bert: Any) -> None:
    asked = await bert.embed(["bread"], "query", WHO)
    assert np.allclose(asked, await bert.embed(["query bread"], "document", WHO))
    assert not np.allclose(asked, await bert.embed(["bread"], "document", WHO), atol=1e-3)


async def test_odd_texts_have_vectors_too(bert: Any) -> None:
    assert (await bert.embed(["", " ", "\n", "漢字", "\ud83e"], "document", WHO)).shape == (5, 32)
    assert (await bert.embed([], "document", WHO)).shape == (0, 32)


async def test_a_text_beyond_the_window_is_read_in_parts_and_the_rest_goes_on(
    bert: Any, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = "a " * 60, "b " * 60
    vectors = await bert.embed(["fine", first + second, "漢" * 3000], "document", WHO)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    alone, *halves = await bert.embed(["fine", first, second], "document", WHO)
    assert np.allclose(vectors[0], alone, atol=2e-3)
    middle = halves[0] + halves[1]
    assert np.allclose(vectors[1], middle / np.linalg.norm(middle), atol=2e-3)
    assert "llama_cpp: 2 of 3 texts exceed the 64 tokens" in caplog.text
    heard: list[orbit.Notice] = []
    await bert.embed(["fine", "a " * 100], "query", msgspec.structs.replace(WHO, notices=heard))
    assert [notice.text for notice in heard] == ["a " * 100]
    assert "the 64 tokens" in heard[0].reason
    assert caplog.text.count("tokens that the model reads at once") == 1
    async with asyncio.timeout(10):
        while bert.metrics()["split_texts_total"] < 3:  # noqa: ASYNC110 - told by another process
            await asyncio.sleep(0.01)


async def test_each_kind_of_model_says_what_it_cannot_do(bert: Any, asker: Any) -> None:
    with pytest.raises(orbit.ProviderError, match="embedding model; it cannot generate answers"):
        await asker(bert).text("Hello?")


async def test_a_model_that_writes_says_it_does_not_embed(gguf: Any, tmp_path: Path, make: Callable[..., Any]) -> None:
    path = gguf.write_decoder(tmp_path / "llama.gguf", "llama")
    async with make(model_path=str(path), n_ctx=256) as provider:
        with pytest.raises(orbit.ProviderError, match="it cannot embed"):
            await provider.embed(["x"], "query", WHO)


async def test_a_model_is_only_offered_for_what_it_is_made_for(
    bert: Any, gguf: Any, tmp_path: Path, make: Callable[..., Any]
) -> None:
    writer = make(model_path=str(gguf.write_decoder(tmp_path / "llama.gguf", "llama")))
    hooks = ("embed", "generate", "count_tokens", "register_commands")
    assert [writer.offers(hook) for hook in hooks] == [False, True, True, True]
    assert [bert.offers(hook) for hook in hooks] == [True, False, False, True]
    unreadable = make(model_path="nowhere.gguf")  # validate() says so; nobody is asked to choose it or another one
    assert [unreadable.offers(hook) for hook in hooks] == [False, False, False, True]


async def test_the_only_embedding_model_is_the_one_that_embeds(gguf: Any, tmp_path: Path) -> None:
    instances = {
        name: {"use": "llama_cpp", "model_path": str(path), "n_ctx": 64, "n_threads": 1}
        for name, path in (
            ("writer", gguf.write_decoder(tmp_path / "llama.gguf", "llama")),
            ("vectors", gguf.write_embedder(tmp_path / "bert.gguf")),
        )
    }
    async with host(instances, tmp_path / "data") as running:
        assert running.embedding == "llama_cpp/bert"
        assert (await running.embed(["bread"], "query", WHO)).shape == (1, 32)


async def test_what_was_embedded_is_counted(bert: Any) -> None:
    await bert.embed(["a", "b c"], "document", WHO)
    async with asyncio.timeout(10):
        while bert.metrics()["embedded_texts_total"] < 2:  # noqa: ASYNC110 - told by another process
            await asyncio.sleep(0.01)
    assert bert.metrics()["read_tokens_total"] == 7  # with the beginning and end of each text


async def test_a_question_does_not_wait_for_a_whole_book(bert: Any) -> None:
    book = asyncio.ensure_future(bert.embed(["a b c d e f g"] * 20_000, "document", WHO))
    await asyncio.sleep(0)  # the book is on its way
    assert (await bert.embed(["bread"], "query", WHO)).shape == (1, 32)
    assert not book.done()
    book.cancel()
    await asyncio.gather(book, return_exceptions=True)
    async with asyncio.timeout(10):
        while not bert.metrics()["cancelled_total"]:  # noqa: ASYNC110 - told by another process
            await asyncio.sleep(0.01)
    assert bert.metrics()["embedded_texts_total"] == 1
