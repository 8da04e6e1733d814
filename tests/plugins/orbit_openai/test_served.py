"""Whole turns: a client of ORBIT, orbit_openai, and a server behind it that does well, errs, hangs or dies."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest
from openai_kit import ask, served_wire, text, until
from openai_wire import Fault, OpenAIWire
from orbit_openai import OpenAIProvider, OpenAISettings
from wire_kit import frames, post

from orbit import CallContext, GenerateOptions
from orbit.errors import ConfigError
from orbit.testing import RunningServer, serve


@pytest.fixture
def wire() -> Iterator[OpenAIWire]:
    with served_wire() as server:
        yield server


def settings(wire: OpenAIWire, **own: Any) -> dict[str, Any]:
    openai = {"base_url": wire.url, "model": "llama", "max_retries": 0, "start_timeout": 0, **own}
    return {"openai": openai, "diary": {}, "limits": {"max_answer_tokens": 64}}


def test_plain_and_streamed_answers(wire: OpenAIWire, tmp_path: Path) -> None:
    with serve(settings(wire), tmp_path) as server:
        plain = post(server, stream=False).json()
        streamed = frames(post(server))

    assert plain["response"] == "one two three"
    assert "".join(frame["text"] for frame in streamed) == "one two three"
    assert streamed[-1]["finish_reason"] == plain["finish_reason"] == "stop"
    assert plain["usage"]["completion_tokens"] == streamed[-1]["usage"]["completion_tokens"] == 3
    assert plain["metadata"]["model"] == "llama"


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[OpenAIWire, RunningServer]]:
    """A server that waits 1.5 s for a model, shared by the tests of failures: they leave nothing behind."""
    with served_wire(delay=0.02) as wire:
        config = settings(wire, silence_timeout=1.5)
        with serve(config, tmp_path_factory.mktemp("impatient")) as server:
            yield wire, server


EARLY = [
    (Fault("status", status=404, error="The model `llama` does not exist"), 503, "provider_not_found", "llama"),
    (Fault("status", status=400, error="invalid option"), 502, "provider_failed", "invalid option"),
    (Fault("status", status=400, error="maximum context length is 4 tokens"), 413, "prompt_too_long", "4 tokens"),
    (Fault("status", status=429, error="slow down"), 503, "provider_overloaded", "slow down"),
    (Fault("die"), 503, "provider_unavailable", "closed the connection"),
    (Fault("hang", after=0), 504, "provider_timeout", "in time"),
    (Fault("error", after=0), 502, "provider_failed", "had an error"),
]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(("fault", "status", "code", "sentence"), EARLY)
def test_a_failure_before_the_answer(
    impatient: tuple[OpenAIWire, RunningServer],
    fault: Fault,
    status: int,
    code: str,
    sentence: str,
    caplog: pytest.LogCaptureFixture,
    *,
    stream: bool,
) -> None:
    wire, server = impatient
    wire.faults.append(fault)

    response = post(server, stream=stream)

    assert (response.status_code, response.json()["code"]) == (status, code)
    assert wire.url not in response.text
    assert sentence in caplog.text


@pytest.mark.parametrize("kind", ["error", "die", "hang", "end", "garbage"])
def test_a_failure_within_the_answer_is_no_stop(impatient: tuple[OpenAIWire, RunningServer], kind: Any) -> None:
    wire, server = impatient
    wire.faults.append(Fault(kind, after=1))

    response = post(server)

    assert response.status_code == 200
    assert frames(response)[-1]["error"]["code"].startswith("provider_")
    assert not any(frame.get("finish_reason") for frame in frames(response))


async def test_a_client_that_leaves_stops_the_model(wire: OpenAIWire, tmp_path: Path) -> None:
    wire.delay, wire.reply = 0.01, lambda _: ["word "] * 10_000
    with serve(settings(wire), tmp_path) as server:
        body, headers = {"message": "go on"}, {"X-API-Key": server.key}
        async with (
            httpx.AsyncClient() as client,
            client.stream("POST", f"{server.url}/chat", json=body, headers=headers) as response,
        ):
            await anext(response.aiter_lines())
            assert wire.running == 1
        await until(lambda: wire.running == 0)

    assert wire.cut_off == 1


def test_documents_are_fitted_to_the_window_that_the_server_tells(wire: OpenAIWire, tmp_path: Path) -> None:
    wire.flavour, wire.window = "vllm", 512
    texts = [f"{number} " + "some of some words " * 40 for number in range(4)]
    with serve({**settings(wire), "shelf": {"texts": texts}}, tmp_path) as server:
        answer = post(server, "what is it?", stream=False).json()

    assert answer["metadata"]["dropped_documents"] > 0


def test_a_missing_model_refuses_the_start(wire: OpenAIWire, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="it has: llama, embedder"), serve(settings(wire, model="gone"), tmp_path):
        pass


@pytest.mark.parametrize("models", [{}, {"script": {"provider": "script"}}], ids=["instances", "models"])
async def test_on_top_of_another_orbit(models: Any, tmp_path: Path, start: Any, context: CallContext) -> None:
    """ORBIT's own ``/v1`` is a real server of this wire, written apart from the plugin and from its stand-in.

    It lists only the models that chat.
    """
    below = {"script": {"words": 40}, "wordllama": {}, "shelf": {}, **({"models": models} if models else {})}
    with serve(below, tmp_path) as server:
        url = f"{server.url}/v1"
        embed_model = server.provider("wordllama").model("embed")
        provider = await start(base_url=url, api_key=server.key, model="script", embed_model=embed_model)

        chunks = await ask(provider, context, options=GenerateOptions(stream=False))
        vectors = await provider.embed(["cats and dogs", "dogs and cats", "ORBIT"], "document", context)

        assert text(chunks) == "".join(f"word{number} " for number in range(40))
        assert chunks[-1].finish_reason == "stop"
        assert chunks[-1].usage is not None
        assert chunks[-1].usage.completion_tokens == 40
        assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]


async def test_on_a_real_server(context: CallContext) -> None:
    url = os.environ.get("ORBIT_TEST_OPENAI_URL")
    if not url:
        pytest.skip("ORBIT_TEST_OPENAI_URL names no server")
    own = {
        "base_url": url,
        "api_key": os.environ.get("ORBIT_TEST_OPENAI_KEY", ""),
        "model": os.environ["ORBIT_TEST_OPENAI_MODEL"],
        "embed_model": os.environ.get("ORBIT_TEST_OPENAI_EMBED_MODEL", ""),
        "max_tokens": 64,
    }
    provider = OpenAIProvider("openai", msgspec.convert(own, OpenAISettings), host=None)  # type: ignore[arg-type]  # it asks nothing of its host
    async with provider:
        chunks = await ask(provider, CallContext("test", deadline=time.monotonic() + 100))
        assert text(chunks).strip()
        assert chunks[-1].finish_reason in ("stop", "length")
        assert chunks[-1].usage is not None
        assert (await provider.health()).status == "ok"
        if own["embed_model"]:
            vectors = await provider.embed(["a cat", "a kitten", "a bridge"], "document", context)
            assert (vectors.dtype, len(vectors)) == (np.dtype(np.float32), 3)


def test_a_judge_on_a_busy_server_is_one_chain_of_retries(tmp_path: Path) -> None:
    with served_wire() as wire:
        judge = {"safety": {"provider": "openai", "max_retries": 3, "retry_delay": 0.01}}
        with serve(settings(wire, max_retries=1, retry_delay=0.01) | judge, tmp_path) as server:
            tried_at_start = len(wire.asked())
            wire.faults += [Fault("status", status=503)] * 20
            assert post(server).status_code == 503

    assert len(wire.asked()) == tried_at_start + 2
