"""What arrives decides: no odd form spoils a complete answer, and no broken one passes for complete."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

import pytest
from ollama_kit import QUESTION, Start, ask, served_wire, text
from ollama_streams import BROKEN, COMPLETE, SILENT
from ollama_wire import OllamaWire, Raw
from wire_kit import attempt, turn

from orbit import CallContext, GenerateOptions, PromptTooLong, ProviderError, Usage
from orbit.testing import RunningServer, serve

CHAT = "/api/chat"
STREAMED, WHOLE = GenerateOptions(), GenerateOptions(stream=False)
MiB = 1024 * 1024


async def drain(provider: Any, context: CallContext) -> None:
    """Read an answer without keeping it."""
    async with aclosing(provider.generate(QUESTION, STREAMED, context)) as chunks:
        async for _ in chunks:
            pass


@pytest.mark.parametrize("name", COMPLETE)
@pytest.mark.parametrize("cut", ["as sent", "in bytes", "whole"])
async def test_a_complete_answer_is_one(
    wire: OllamaWire, start: Start, context: CallContext, name: str, cut: str
) -> None:
    right = COMPLETE[name]
    raw = wire.raw[CHAT] = right.raw()
    if cut == "in bytes":
        raw.pieces = [bytes([byte]) for byte in b"".join(right.pieces)]

    chunks = await ask(await start(base_url=wire.url), context, options=WHOLE if cut == "whole" else STREAMED)

    assert (text(chunks), chunks[-1].finish_reason) == (right.text, right.reason)
    assert chunks[-1].usage == (Usage(*right.usage) if right.usage else None)
    assert all(chunk.finish_reason is None for chunk in chunks[:-1])


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/json", "text/event-stream"])
async def test_whatever_the_content_type(
    wire: OllamaWire, start: Start, context: CallContext, content_type: str
) -> None:
    wire.raw[CHAT] = COMPLETE["plain"].raw(content_type)

    assert text(await ask(await start(base_url=wire.url), context)) == "Hello world"


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_answer_is_an_error(wire: OllamaWire, start: Start, context: CallContext, name: str) -> None:
    broken = BROKEN[name]
    wire.raw[CHAT] = broken.raw()

    chunks, error = await attempt(start, wire.url, context)

    assert error is not None
    assert broken.error in str(error)
    assert broken.text.startswith(text(chunks))
    assert all(chunk.finish_reason is None for chunk in chunks)


async def test_thoughts_come_as_reasoning(wire: OllamaWire, start: Start, context: CallContext) -> None:
    for name in ("thinking", "content null", "think tags", "harmony"):
        wire.raw[CHAT] = COMPLETE[name].raw()
        chunks = await ask(await start(base_url=wire.url), context)
        assert "".join(chunk.reasoning for chunk in chunks) == "hm", name


async def test_a_template_that_opens_the_thoughts(wire: OllamaWire, start: Start, context: CallContext) -> None:
    wire.reply = lambda _: ["I plan.", "\n</think>", "\n\n", "Hello", " world"]

    told = await start(base_url=wire.url, template_opens_thoughts=True)
    assert text(await ask(told, context)) == "Hello world"
    untold = await start(base_url=wire.url)
    assert text(await ask(untold, context, options=WHOLE)) == "Hello world"
    assert text(await ask(untold, context)) == "Hello world"  # it has learned that
    wire.reply = lambda _: ["Hello", " world"]
    assert text(await ask(untold, context)) == "Hello world"


async def test_a_line_says_that_the_prompt_is_too_long(wire: OllamaWire, start: Start, context: CallContext) -> None:
    wire.raw[CHAT] = Raw([b'{"error":"the input length exceeds the context length"}\n'])

    with pytest.raises(PromptTooLong, match="input length exceeds"):
        await ask(await start(base_url=wire.url), context)


LONG = {
    "a line": (itertools.chain([b'{"message":{"content":"'], itertools.repeat(b"x" * 65_536, 3200)), 8),
    "an answer": (itertools.repeat(COMPLETE["plain"].pieces[0] * 500, 4_000), 128),
}


@pytest.mark.parametrize("name", LONG)
async def test_an_answer_has_a_limit(wire: OllamaWire, start: Start, context: CallContext, name: str) -> None:
    pieces, limit = LONG[name]
    raw = wire.raw[CHAT] = Raw(pieces)
    provider = await start(base_url=wire.url, max_retries=0)

    with pytest.raises(ProviderError, match=f"{name} of more than {limit} MiB; the rest was not read"):
        await drain(provider, context)

    assert raw.sent < (limit + 16) * MiB


@pytest.mark.parametrize("path", [CHAT, "/api/embed", "/api/version"])
async def test_a_bomb_does_not_go_off(wire: OllamaWire, start: Start, context: CallContext, path: str) -> None:
    bomb = gzip.compress(b'{"message":{"content":"' + b"x" * (200 * MiB), compresslevel=6)
    provider = await start(base_url=wire.url, max_retries=0)
    wire.raw[path] = Raw([bomb], {"Content-Encoding": "gzip"})

    if path == "/api/version":
        assert "of more than 128 MiB" in (await provider.health()).detail
    else:
        with pytest.raises(ProviderError, match=r"of more than (8|128) MiB; the rest was not read"):
            await (drain(provider, context) if path == CHAT else provider.embed(["a"], "query", context))

    assert wire.requests[-1].headers["Accept-Encoding"] == "identity"


# The same through a server of ORBIT


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[OllamaWire, RunningServer]]:
    with served_wire() as wire:
        ollama = {"base_url": wire.url, "model": "llama3.2", "max_retries": 0, "start_timeout": 0}
        with serve({"ollama": ollama}, tmp_path_factory.mktemp("served")) as server:
            yield wire, server


@pytest.mark.parametrize("name", ["counts in floats", "events", "half characters", "thinking", "harmony", "gzip"])
@pytest.mark.parametrize("stream", [True, False])
def test_a_client_gets_the_answer(served: tuple[OllamaWire, RunningServer], name: str, *, stream: bool) -> None:
    wire, server = served
    right = COMPLETE[name]
    wire.raw[CHAT] = right.raw()

    status, text, last = turn(server, stream=stream)

    assert (status, text, last["finish_reason"]) == (200, right.text, right.reason)


@pytest.mark.parametrize("name", [*SILENT, "error line", "load", "unload", "cut"])
@pytest.mark.parametrize("stream", [True, False])
def test_what_is_no_answer_is_an_error_and_not_remembered(
    served: tuple[OllamaWire, RunningServer], name: str, *, stream: bool
) -> None:
    wire, server = served
    wire.raw[CHAT] = (SILENT | BROKEN)[name].raw()
    session = f"{name} {stream}"

    status, _, last = turn(server, stream=stream, session_id=session)
    wire.raw.clear()
    again = turn(server, stream=stream, session_id=session)

    assert (last.get("code") or last["error"]["code"]).startswith("provider_")
    assert status in ((200, 502, 503) if stream else (502, 503))
    assert again[1] == "hello"
    assert [message["role"] for message in wire.asked()[-1]["messages"]] == ["system", "user"]
