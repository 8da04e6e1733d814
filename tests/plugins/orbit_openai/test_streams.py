"""What arrives decides: no odd form spoils a complete answer, and no broken one passes for complete."""

from __future__ import annotations

import gzip
import itertools
import json
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

import httpx
import pytest
from openai_kit import ANYTHING, QUESTION, Start, ask, served_wire, text
from openai_streams import BROKEN, COMPLETE, DONE, SILENT, Stream, event
from openai_wire import OpenAIWire, Raw
from wire_kit import attempt, turn

from orbit import CallContext, GenerateOptions, ProviderError, Usage
from orbit.testing import RunningServer, serve

CHAT = "/v1/chat/completions"
WHOLE = GenerateOptions(stream=False)
MiB = 1024 * 1024


def in_bytes(stream: Stream) -> Raw:
    raw = stream.raw()
    raw.pieces = [bytes([byte]) for byte in b"".join(stream.pieces)]
    return raw


@pytest.mark.parametrize("name", COMPLETE)
@pytest.mark.parametrize("stream", [True, False])
async def test_a_complete_answer_is_one(
    wire: OpenAIWire, start: Start, context: CallContext, name: str, *, stream: bool
) -> None:
    right = COMPLETE[name]
    wire.raw[CHAT] = right.raw()

    chunks = await ask(await start(base_url=wire.url), context, options=ANYTHING if stream else WHOLE)

    assert (text(chunks), chunks[-1].finish_reason) == (right.text, right.reason)
    assert chunks[-1].usage == (Usage(*right.usage) if right.usage else chunks[-1].usage)
    assert all(chunk.finish_reason is None for chunk in chunks[:-1])


@pytest.mark.parametrize("name", [name for name in COMPLETE if name not in ("packed", "each piece repeats all")])
async def test_wherever_the_pieces_are_cut(wire: OpenAIWire, start: Start, context: CallContext, name: str) -> None:
    right = COMPLETE[name]
    wire.raw[CHAT] = in_bytes(right)

    chunks = await ask(await start(base_url=wire.url), context)

    assert (text(chunks), chunks[-1].finish_reason) == (right.text, right.reason)


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/json", "application/octet-stream"])
@pytest.mark.parametrize("name", ["plain", "one object", "CR"])
async def test_whatever_the_content_type(
    wire: OpenAIWire, start: Start, context: CallContext, name: str, content_type: str
) -> None:
    wire.raw[CHAT] = COMPLETE[name].raw(content_type)

    chunks = await ask(await start(base_url=wire.url), context)

    assert (text(chunks), chunks[-1].finish_reason) == ("Hello world", "stop")


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_answer_is_an_error(wire: OpenAIWire, start: Start, context: CallContext, name: str) -> None:
    broken = BROKEN[name]
    wire.raw[CHAT] = broken.raw("text/html" if name == "a web page" else "text/event-stream")

    chunks, error = await attempt(start, wire.url, context)

    assert error is not None
    assert broken.error in str(error)
    assert broken.text.startswith(text(chunks))
    assert all(chunk.finish_reason is None for chunk in chunks)


async def test_the_text_before_an_error_is_not_lost(wire: OpenAIWire, start: Start, context: CallContext) -> None:
    wire.raw[CHAT] = BROKEN["error and reason at once"].raw()

    chunks, error = await attempt(start, wire.url, context)

    assert (text(chunks), type(error)) == ("Hel", ProviderError)


async def test_thoughts_come_as_reasoning(wire: OpenAIWire, start: Start, context: CallContext) -> None:
    for name in ("reasoning_content", "reasoning", "content beside thoughts", "think tags", "harmony"):
        wire.raw[CHAT] = COMPLETE[name].raw()
        chunks = await ask(await start(base_url=wire.url), context)
        assert "".join(chunk.reasoning for chunk in chunks) == "hm", name


async def test_a_server_that_hangs_after_the_end_is_not_waited_for(
    wire: OpenAIWire, start: Start, context: CallContext
) -> None:
    for name in ("no [DONE]", "plain"):
        raw = wire.raw[CHAT] = COMPLETE[name].raw()
        raw.hang = True
        chunks = await ask(await start(base_url=wire.url, silence_timeout=60), context)
        assert (text(chunks), chunks[-1].finish_reason) == ("Hello world", "stop")


async def test_a_template_that_opens_the_thoughts(wire: OpenAIWire, start: Start, context: CallContext) -> None:
    wire.reply = lambda _: ["I plan.", "\n</think>", "\n\n", "Hello", " world"]

    told = await start(base_url=wire.url, template_opens_thoughts=True)
    assert text(await ask(told, context)) == "Hello world"
    untold = await start(base_url=wire.url)
    assert text(await ask(untold, context, options=WHOLE)) == "Hello world"
    assert text(await ask(untold, context)) == "Hello world"  # it has learned that
    wire.reply = lambda _: ["Hello", " world"]
    assert text(await ask(untold, context)) == "Hello world"


@pytest.mark.parametrize(
    ("flavour", "think", "fields"),
    [
        ("openai", None, {}),
        ("openai", False, {"reasoning_effort": "none"}),
        ("openai", "low", {"reasoning_effort": "low"}),
        ("vllm", False, {"chat_template_kwargs": {"enable_thinking": False, "thinking": False}}),
        (
            "vllm",
            "high",
            {"chat_template_kwargs": {"enable_thinking": True, "thinking": True}, "reasoning_effort": "high"},
        ),
        ("llama.cpp", True, {"chat_template_kwargs": {"enable_thinking": True, "thinking": True}}),
    ],
)
async def test_a_setting_switches_thinking(
    start: Start, context: CallContext, flavour: Any, think: Any, fields: dict[str, Any]
) -> None:
    async with OpenAIWire(flavour=flavour) as wire:
        await ask(await start(base_url=wire.url, think=think), context)

        (body,) = wire.asked()
        assert {name: body[name] for name in body if name in ("reasoning_effort", "chat_template_kwargs")} == fields


def frames(total: int) -> Iterator[bytes]:
    piece = COMPLETE["plain"].pieces[0] * 500
    return itertools.repeat(piece, total // len(piece))


def line(total: int) -> Iterator[bytes]:
    yield b'data: {"choices":[{"delta":{"content":"'
    yield from itertools.repeat(b"x" * 65_536, total // 65_536)


LONG = {
    "a line": (lambda: Raw(line(200 * MiB), {"Content-Type": "text/event-stream"}), 8),
    "many data lines": (lambda: Raw(itertools.repeat(b"data: {\n" * 8192, 3200), {}), 8),
    "a document": (lambda: Raw(itertools.chain([b"{"], itertools.repeat(b"\n[" * 32_768, 3200)), {}), 8),
    "frames without an end": (lambda: Raw(frames(200 * MiB), {"Content-Type": "text/event-stream"}), 64),
}


async def drain(provider: Any, context: CallContext) -> None:
    """Read an answer without keeping it."""
    async with aclosing(provider.generate(QUESTION, ANYTHING, context)) as chunks:
        async for _ in chunks:
            pass


@pytest.mark.parametrize("name", LONG)
async def test_an_answer_has_a_limit(wire: OpenAIWire, start: Start, context: CallContext, name: str) -> None:
    make, limit = LONG[name]
    raw = wire.raw[CHAT] = make()
    provider = await start(base_url=wire.url, max_retries=0)

    with pytest.raises(ProviderError, match=f"of more than {limit} MiB; the rest was not read"):
        await drain(provider, context)

    assert raw.sent < (limit + 16) * MiB


async def test_a_bomb_does_not_go_off(wire: OpenAIWire, start: Start, context: CallContext) -> None:
    bomb = gzip.compress(b'data: {"choices":[{"delta":{"content":"' + b"x" * (200 * MiB), compresslevel=6)
    wire.raw[CHAT] = Raw([bomb], {"Content-Type": "text/event-stream", "Content-Encoding": "gzip"})
    provider = await start(base_url=wire.url, max_retries=0)

    with pytest.raises(ProviderError, match="a line of more than 8 MiB"):
        await ask(provider, context)

    assert wire.requests[-1].headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("path", ["/v1/models", "/v1/embeddings"])
async def test_bodies_have_a_limit(wire: OpenAIWire, start: Start, context: CallContext, path: str) -> None:
    provider = await start(base_url=wire.url, max_retries=0)
    raw = wire.raw[path] = Raw(itertools.repeat(b" " * 65_536, 3200), {"Content-Type": "application/json"})

    if path == "/v1/models":
        assert "a body of more than 8 MiB" in (await provider.health()).detail
    else:
        with pytest.raises(ProviderError, match="a body of more than 8 MiB"):
            await provider.embed(["a"], "query", context)

    assert raw.sent < 24 * MiB


# The same through a server of ORBIT


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[OpenAIWire, RunningServer]]:
    with served_wire() as wire:
        openai = {"base_url": wire.url, "model": "llama", "max_retries": 0, "start_timeout": 0}
        with serve({"openai": openai}, tmp_path_factory.mktemp("served")) as server:
            yield wire, server


def completion(server: RunningServer, *, stream: bool) -> tuple[int, str, str]:
    """Return status, text and finish reason of ``/v1``."""
    body = {"model": "llama", "messages": [{"role": "user", "content": "hello"}], "stream": stream}
    headers = {"Authorization": f"Bearer {server.key}"}
    response = httpx.post(f"{server.url}/v1/chat/completions", json=body, headers=headers, timeout=20)
    if response.status_code != 200:
        return response.status_code, "", "error"
    if not stream:
        choice = response.json()["choices"][0]
        return 200, choice["message"]["content"], choice["finish_reason"]
    got = [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: {")]
    choices = [frame["choices"][0] for frame in got if frame.get("choices")]
    text = "".join(choice["delta"].get("content") or "" for choice in choices)
    return 200, text, "error" if "error" in got[-1] else choices[-1]["finish_reason"]


SERVED = [
    "no finish reason",
    "usage without choices",
    "usage in floats",
    "finish reason a number",
    "sources",
    "refusal",
]
SERVED += ["CR", "half characters", "one object", "think tags", "harmony", "reasoning_content", "cut after the end"]


@pytest.mark.parametrize("name", SERVED)
@pytest.mark.parametrize("stream", [True, False])
def test_a_client_gets_the_answer(served: tuple[OpenAIWire, RunningServer], name: str, *, stream: bool) -> None:
    wire, server = served
    right = COMPLETE[name]
    wire.raw[CHAT] = right.raw()

    status, text, last = turn(server, stream=stream)

    assert (status, text, last["finish_reason"]) == (200, right.text, right.reason)
    assert completion(server, stream=stream) == (200, right.text, right.reason)


@pytest.mark.parametrize(
    "name", ["abort", "error", "error in a choice", "error in the middle", "ended too early", "cut"]
)
@pytest.mark.parametrize("stream", [True, False])
def test_a_client_gets_the_error(served: tuple[OpenAIWire, RunningServer], name: str, *, stream: bool) -> None:
    wire, server = served
    wire.raw[CHAT] = BROKEN[name].raw()

    status, _, last = turn(server, stream=stream)

    if status == 200:
        assert last["error"]["code"].startswith("provider_")
    else:
        assert status in (502, 503)
    assert completion(server, stream=stream)[2] == "error"


@pytest.mark.parametrize("name", [*SILENT, "abort"])
@pytest.mark.parametrize("stream", [True, False])
def test_what_is_no_answer_is_not_remembered(
    served: tuple[OpenAIWire, RunningServer], name: str, *, stream: bool
) -> None:
    wire, server = served
    wire.raw[CHAT] = (SILENT | BROKEN)[name].raw()
    session = f"{name} {stream}"

    status, _, last = turn(server, stream=stream, session_id=session)
    wire.raw.clear()
    again = turn(server, stream=stream, session_id=session)

    assert (status, last.get("code") or last["error"]["code"]) in [(502, "provider_failed"), (200, "provider_failed")]
    assert again[1] == "hello"
    assert [message["role"] for message in wire.asked()[-1]["messages"]] == ["system", "user"]


@pytest.mark.parametrize(("given", "told"), [("END", "END"), (128_009, ""), (None, "")])
async def test_the_text_that_ended_an_answer_is_named(
    wire: OpenAIWire, start: Start, context: CallContext, given: Any, told: str
) -> None:
    choice = {"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop", "stop_reason": given}
    wire.raw["/v1/chat/completions"] = Raw([event({"choices": [choice]}), DONE], {"Content-Type": "text/event-stream"})
    chunks = await ask(await start(base_url=wire.url), context)
    assert (text(chunks), chunks[-1].stopped_by) == ("Hi", told)
