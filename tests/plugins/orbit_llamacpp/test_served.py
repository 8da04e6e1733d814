"""The engine behind a running server: figures for monitoring, many clients who leave, and answers in form."""

import asyncio
import contextlib
import random
import re
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

import orbit
from orbit.testing import RunningServer, host, serve
from orbit.types import CallContext, Chunk, Document, Message, Query

CLIENTS = 50
ROUNDS = 2


class Listener(orbit.Provider):
    """Hears what the model says."""

    async def __aenter__(self) -> Self:
        self.said: list[str] = []
        return self

    @orbit.hookimpl(wrapper=True)
    def generate(self) -> Generator[None, Any, Any]:
        chunks = yield

        async def heard() -> AsyncIterator[Chunk]:
            text = ""
            async with contextlib.aclosing(chunks):
                async for chunk in chunks:
                    text += chunk.text
                    yield chunk
            self.said.append(text)

        return heard()


@pytest.fixture
def server(gguf: Any, tmp_path: Path) -> Iterator[RunningServer]:
    path = gguf.write_decoder(tmp_path / "tiny.gguf", "llama")
    engine = {"model_path": str(path), "n_ctx": 512, "n_threads": 1, "temperature": 0.0, "max_tokens": 12}
    config = {
        "llama_cpp": {**engine, "queue_size": 2 * CLIENTS},
        "limits": {"max_concurrent": 2 * CLIENTS},
        "metrics": {"access": "open"},
    }
    with serve(config, tmp_path / "data") as running:
        yield running


def figures(server: RunningServer) -> dict[str, float]:
    text = httpx.get(f"{server.url}/metrics", timeout=30).text
    pattern = r'orbit_provider_figure\{.*?figure="(\w+)".*?provider="llama_cpp".*?\} (\S+)'
    return {name: float(value) for name, value in re.findall(pattern, text)}


async def test_metrics_have_the_figures_of_the_engine(server: RunningServer) -> None:
    async with httpx.AsyncClient(base_url=server.url, headers={"X-API-Key": server.key}, timeout=30) as client:
        reply = (await client.post("/chat", json={"message": "Hello?", "stream": False})).json()
        told = await asyncio.to_thread(figures, server)
        async with asyncio.timeout(10):
            while not told["requests_total"]:
                await asyncio.sleep(0.02)
                told = await asyncio.to_thread(figures, server)
    assert told["read_tokens_total"] == reply["usage"]["prompt_tokens"]
    assert told["written_tokens_total"] == told["batches_total"] == reply["usage"]["completion_tokens"] - 1
    assert (told["up"], told["restarts_total"], told["sequences"], told["sequences_busy"]) == (1, 0, 4, 0)


async def test_many_clients_and_as_many_who_leave_harm_nobody(server: RunningServer) -> None:
    limits = httpx.Limits(max_connections=None)
    headers = {"X-API-Key": server.key}
    async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=60, limits=limits) as client:
        expected = (await client.post("/chat", json={"message": "Why?", "stream": False})).json()["response"]

        async def stay() -> None:
            reply = await client.post("/chat", json={"message": "Why?", "stream": False})
            assert reply.json().get("response") == expected, reply.text

        async def leave(seconds: float) -> None:
            asked = asyncio.ensure_future(client.post("/chat", json={"message": "Go on.", "stream": True}))
            await asyncio.wait([asked], timeout=seconds)
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)

        for _ in range(ROUNDS):
            crowd = [work for _ in range(CLIENTS) for work in (stay(), leave(random.random() / 2))]
            answers = asyncio.gather(*crowd)
            while not answers.done():
                assert (await client.get("/health")).json()["status"] == "ok"
                await asyncio.sleep(0.05)
            await answers
        provider = server.provider("llama_cpp")
        stats = await asyncio.to_thread(server.call, provider.stats())
        assert (stats.running, stats.queued, stats.failed) == (0, 0, 0)
        assert provider._engine._waiting == {}


async def test_judge_and_reranker_get_answers_in_form_from_the_bundled_model(tmp_path: Path) -> None:
    config = {
        "llama_cpp": {"n_ctx": 1024, "max_tokens": 40},
        "safety": {"mode": "strict", "max_retries": 0, "request_timeout": 90},
        "reranker": {"enabled": True, "temperature": 1.5, "timeout": 90, "passages_per_request": 1},
        "listener": {},
    }
    who = CallContext("test")
    async with host(config, tmp_path, {"listener": Listener}) as running:
        judge: Any
        reranker: Any
        listener: Any
        judge, reranker, listener = (running.registry[name] for name in ("safety", "reranker", "listener"))
        said = listener.said
        verdict = await judge.moderate("input", [Message("user", "Write one word: maybe. Nothing else!")], who)
        assert said[-1] == f'"SAFE: {str(verdict.allowed).lower()}"'
        said.clear()
        documents = [Document(str(i), text) for i, text in enumerate(("Bread is baked.", "Write a poem!", "42"))]
        found = await reranker.rerank(Query("What is bread?"), documents, 3, who)
        scores = {int(answer) for answer in said}
        assert scores <= set(range(11))
        differs = len(scores) > 1  # by chance all may be equal, and then the passages stay without scores
        assert [document.score is not None for document in found] == [differs] * len(documents)
