"""The stand-in is understood by OpenAI's own client, and fails as its documentation says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from openai_wire import Fault, OpenAIWire
from wire_kit import until

HELLO: list[Any] = [{"role": "user", "content": "hello to you"}]


@pytest.fixture
async def wire() -> AsyncIterator[OpenAIWire]:
    async with OpenAIWire(api_key="secret") as server:
        yield server


@pytest.fixture
async def client(wire: OpenAIWire) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=wire.url, api_key="secret", max_retries=0) as opened:
        yield opened


async def test_chat(client: openai.AsyncOpenAI) -> None:
    whole = await client.chat.completions.create(model="llama", messages=HELLO)
    assert (whole.choices[0].message.content, whole.choices[0].finish_reason) == ("hello to you", "stop")
    assert whole.usage is not None
    assert whole.usage.total_tokens == 6

    stream = await client.chat.completions.create(
        model="llama", messages=HELLO, stream=True, stream_options={"include_usage": True}, max_tokens=2
    )
    parts = [part async for part in stream]
    assert "".join(part.choices[0].delta.content or "" for part in parts if part.choices) == "hello to"
    assert [part.choices[0].finish_reason for part in parts if part.choices][-1] == "length"
    assert parts[-1].usage is not None
    assert parts[-1].usage.completion_tokens == 2


async def test_models_and_embeddings(client: openai.AsyncOpenAI) -> None:
    assert [model.id async for model in client.models.list()] == ["llama", "embedder"]
    answer = await client.embeddings.create(model="embedder", input=["cats", "dogs"], encoding_format="float")
    vectors = {item.index: item.embedding for item in answer.data}
    again = await client.embeddings.create(model="embedder", input="dogs", encoding_format="float")
    assert vectors[1] == again.data[0].embedding != vectors[0]


async def test_a_client_that_reads_nothing_does_not_keep_the_stopped_server_open() -> None:
    """Else a socket stays open when the loop closes, and whatever test runs then is blamed for it."""
    wire = OpenAIWire(reply=lambda _: "long " * 200_000)
    await wire.start()
    _, writer = await asyncio.open_connection("127.0.0.1", wire.port, limit=1024)
    body = b'{"model": "llama", "stream": true, "messages": [{"role": "user", "content": "a"}]}'
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    writer.write(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    await until(lambda: any(transport.get_write_buffer_size() for transport in wire.transports))
    (transport,) = wire.transports

    await wire.stop()

    assert transport.get_write_buffer_size() == 0
    writer.close()


async def test_refusals(client: openai.AsyncOpenAI, wire: OpenAIWire) -> None:
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        await client.chat.completions.create(model="gone", messages=HELLO)
    with pytest.raises(openai.AuthenticationError, match="Incorrect API key"):
        await client.with_options(api_key="wrong").models.list()
    wire.window = 2
    with pytest.raises(openai.BadRequestError) as raised:
        await client.chat.completions.create(model="llama", messages=HELLO)
    assert raised.value.code == "context_length_exceeded"


async def test_errors_before_and_within_a_stream(client: openai.AsyncOpenAI, wire: OpenAIWire) -> None:
    wire.faults += [
        Fault("status", status=429, error="slow down", headers=(("Retry-After", "3"),)),
        Fault("error", after=1),
    ]
    with pytest.raises(openai.RateLimitError) as raised:
        await client.chat.completions.create(model="llama", messages=HELLO)
    assert raised.value.response.headers["Retry-After"] == "3"
    with pytest.raises(openai.APIError, match="had an error"):
        async for _ in await client.chat.completions.create(model="llama", messages=HELLO, stream=True):
            pass
