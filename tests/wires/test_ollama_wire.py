"""The stand-in is understood by Ollama's own client, and fails as Ollama's documentation says."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress

import ollama
import pytest
from ollama_wire import TOO_LONG, Fault, OllamaWire

HELLO = [{"role": "user", "content": "hello to you"}]


@pytest.fixture
async def wire() -> AsyncIterator[OllamaWire]:
    async with OllamaWire(thinking_models=("llama3.2:latest",), thoughts="let me see") as server:
        yield server


@pytest.fixture
async def client(wire: OllamaWire) -> AsyncIterator[ollama.AsyncClient]:
    async with ollama.AsyncClient(wire.url) as opened:
        yield opened


async def test_chat_and_generate(client: ollama.AsyncClient) -> None:
    whole = await client.chat("llama3.2", HELLO)
    assert (whole.message.content, whole.done, whole.done_reason) == ("hello to you", True, "stop")
    assert (whole.prompt_eval_count, whole.eval_count) == (3, 3)

    parts = [part async for part in await client.chat("llama3.2", HELLO, stream=True)]
    assert "".join(part.message.content or "" for part in parts) == "hello to you"
    assert "".join(part.message.thinking or "" for part in parts) == "let me see"
    assert [part.done for part in parts][-2:] == [False, True]

    written = await client.generate("llama3.2", "hello to you")
    assert (written.response, written.done_reason) == ("hello to you", "stop")
    assert (await client.chat("llama3.2", [])).done_reason == "load"


async def test_embed(client: ollama.AsyncClient) -> None:
    answer = await client.embed("nomic-embed-text", ["cats", "dogs"])

    assert len(answer.embeddings) == 2
    assert sum(value * value for value in answer.embeddings[0]) == pytest.approx(1, abs=1e-6)


async def test_models(client: ollama.AsyncClient, wire: OllamaWire) -> None:
    assert [model.model for model in (await client.list()).models] == wire.models
    shown = await client.show("llama3.2")
    assert shown.modelinfo is not None
    assert shown.modelinfo["llama.context_length"] == 8192
    assert shown.capabilities == ["completion", "thinking"]

    steps = [step.status async for step in await client.pull("gemma3:1b", stream=True)]
    assert (steps[0], steps[-1]) == ("pulling manifest", "success")
    assert (await client.pull("gemma3:4b")).status == "success"
    await client.chat("gemma3:1b", HELLO)
    assert [model.model for model in (await client.ps()).models] == ["gemma3:1b"]


@pytest.mark.parametrize(
    ("model", "options", "status", "error"),
    [
        ("gone", {}, 404, "model 'gone' not found"),
        ("nomic-embed-text", {"think": True}, 400, '"nomic-embed-text" does not support thinking'),
    ],
)
async def test_refusals(
    client: ollama.AsyncClient, model: str, options: dict[str, bool], status: int, error: str
) -> None:
    with pytest.raises(ollama.ResponseError) as raised:
        await client.chat(model, HELLO, think=options.get("think"))

    assert (raised.value.status_code, raised.value.error) == (status, error)


async def test_too_long_a_prompt_is_cut_silently_unless_that_is_switched_off(
    client: ollama.AsyncClient, wire: OllamaWire
) -> None:
    long = [{"role": "user", "content": "word " * 200}]
    assert (await client.chat("llama3.2", long, options={"num_ctx": 100})).prompt_eval_count == 50

    body = {"model": "llama3.2", "messages": long, "options": {"num_ctx": 100}, "truncate": False}
    response = await client._client.post("/api/chat", json=body)
    assert (response.status_code, response.json()) == (400, {"error": TOO_LONG})


async def test_errors_before_and_within_a_stream(client: ollama.AsyncClient, wire: OllamaWire) -> None:
    wire.faults += [Fault("status", status=503, error="busy"), Fault("error", after=4)]
    with pytest.raises(ollama.ResponseError, match="busy"):
        await client.chat("llama3.2", HELLO)

    got = []
    with pytest.raises(ollama.ResponseError, match="error was encountered"):
        got += [part.message.content async for part in await client.chat("llama3.2", HELLO, stream=True)]
    assert got == []  # the list was not finished


async def test_changed_options_load_the_model_again(client: ollama.AsyncClient, wire: OllamaWire) -> None:
    for options in ({"num_ctx": 2048}, {"num_ctx": 2048, "temperature": 1}, {"num_ctx": 4096}):
        await client.chat("llama3.2", HELLO, options=options)

    assert [options for _, options in wire.loads] == [{"num_ctx": 2048}, {"num_ctx": 4096}]


@pytest.mark.parametrize("turns", range(6))
async def test_stopping_closes_connections_that_were_just_accepted(turns: int) -> None:
    wire = OllamaWire()
    await wire.start()
    client = socket.create_connection(("127.0.0.1", wire.port))
    try:
        for _ in range(turns):  # accepting a connection takes several turns of the event loop
            await asyncio.sleep(0)
        await wire.stop()
        client.settimeout(0)
        with suppress(ConnectionResetError):
            assert client.recv(1) == b""
    finally:
        client.close()
