"""Answers as servers send them: odd streams, broken ones, and how each ends."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from typing import Any

import pytest
from anthropic_kit import QUESTION, Start, ask, text
from anthropic_wire import AnthropicWire, Fault, Raw, event
from wire_kit import TOOLS

from orbit import CallContext, Chunk, GenerateOptions, OrbitError, ProviderError, Usage

MESSAGE = {"type": "message", "role": "assistant", "content": [], "usage": {"input_tokens": 7, "output_tokens": 1}}
START = event("message_start", message=MESSAGE)
STOP = event("message_stop")
USE: dict[str, Any] = {"type": "tool_use", "id": "toolu_0", "name": "weather", "input": {}}
EVENTS = {"Content-Type": "text/event-stream"}


def begin(index: int = 0, **block: Any) -> bytes:
    return event("content_block_start", index=index, content_block={"type": "text", "text": "", **block})


def delta(kind: str, index: int = 0, **fields: Any) -> bytes:
    return event("content_block_delta", index=index, delta={"type": kind, **fields})


def says(words: str, index: int = 0) -> bytes:
    return delta("text_delta", index, text=words)


def end(reason: str | None = "end_turn", **usage: Any) -> bytes:
    given = {"output_tokens": 3, **usage}
    return event("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage=given)


async def answered(wire: AnthropicWire, start: Start, context: CallContext, *pieces: bytes, **options: Any) -> Any:
    wire.raw["/v1/messages"] = Raw(list(pieces), EVENTS)
    return await ask(await start(base_url=wire.url), context, **options)


async def test_what_is_new_changes_nothing(start: Start, context: CallContext) -> None:
    async with AnthropicWire(odd=True, thoughts="hm") as wire:
        provider = await start(base_url=wire.url)
        plain = await ask(provider, context)
        wire.calls = [("weather", '{"town": "Bonn"}')]
        called = await ask(provider, context, options=TOOLS)
    assert (text(plain), plain[-1].finish_reason) == ("one two three", "stop")
    assert [(call.name, call.arguments) for call in called[-1].tool_calls] == [("weather", '{"town": "Bonn"}')]


ODD: dict[str, list[bytes]] = {
    "in one piece": [START + begin() + says("Hi") + end() + STOP],
    "byte by byte": [bytes([byte]) for byte in START + begin() + says("Hi") + end() + STOP],
    "lines of Windows": [(START + begin() + says("Hi") + end() + STOP).replace(b"\n", b"\r\n")],
    "text from the start": [START, begin(text="H"), says("i"), end(), STOP],
    "no end but the reason": [START, begin(), says("Hi"), end()],
    "no reason but the end": [START, begin(), says("Hi"), STOP],
    "more after the end": [START, begin(), says("Hi"), end(), STOP, says("no"), event("error", error={})],
    "comments and DONE": [b": ping\n\n", START, begin(), says("Hi"), end(), STOP, b"data: [DONE]\n\n"],
    "no start": [begin(), says("Hi"), end(), STOP],
    "lines of old computers": [(START + begin() + says("Hi") + end() + STOP).replace(b"\n", b"\r")],
    "a mark at the start": [b"\xef\xbb\xbf" + START, begin(), says("Hi"), end(), STOP],
    "an index that is no number": [
        piece.replace(b'"index": 0', b'"index": {}') for piece in (START, begin(), says("Hi"))
    ]
    + [end(), STOP],
    "an event of several lines": [START, begin(), says("Hi").replace(b', "', b',\ndata: "'), end(), STOP],
    "events of others": [START, b"data: []\n\n", b"data: ok\n\n", b"data:\n\n", begin(), says("Hi"), end(), STOP],
    "numbers that JSON lacks": [START, begin(), says("Hi").replace(b"{", b'{"x": NaN, ', 1), end(), STOP],
    "an endless number": [START, begin(), says("Hi").replace(b"{", b'{"x": ' + b"9" * 5000 + b", ", 1), end(), STOP],
    "counts that are no numbers": [START, begin(), says("Hi"), end(output_tokens="3", input_tokens=7.5), STOP],
    "broken after its end": [START, begin(), says("Hi"), end(), b'data: {"broken\n\n'],
    "BOM, spaces and capitals": [
        b"\xef\xbb\xbf" + START.partition(b"\n")[2],
        b" " + begin().partition(b"\n")[2],
        *[piece.replace(b"data", b"Data") for piece in (says("Hi"), end(), STOP)],
    ],
    "data: twice": [piece.replace(b"data:", b"data: data:") for piece in (START, begin(), says("Hi"), end(), STOP)],
    "lines of JSON": [piece.partition(b"data: ")[2] for piece in (START, begin(), says("Hi"), end(), STOP)],
    "DONE in place of the end": [START, begin(), says("Hi"), b"data: [DONE]\n\n"],
    "blocks and deltas without a type": [
        piece.replace(b'"type": "text', b'"of": "text') for piece in (START, begin(), says("Hi"), end(), STOP)
    ],
    "an error after its end": [START, begin(), says("Hi"), end(), event("error", error={"message": "x"})],
}


@pytest.mark.parametrize("case", ODD)
async def test_streams_in_odd_forms(wire: AnthropicWire, start: Start, context: CallContext, case: str) -> None:
    chunks = await answered(wire, start, context, *ODD[case])
    assert (text(chunks), chunks[-1].finish_reason) == ("Hi", "stop")


async def test_a_server_that_is_silent_after_the_end(wire: AnthropicWire, start: Start) -> None:
    wire.raw["/v1/messages"] = Raw([START, begin(), says("Hi"), end()], EVENTS, hang=True)
    provider = await start(base_url=wire.url, silence_timeout=3600)
    async with asyncio.timeout(30):
        chunks = await ask(provider, CallContext("test"))
    assert (text(chunks), chunks[-1].finish_reason) == ("Hi", "stop")


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ([rb"\ud83d", rb"\ude00"], "\U0001f600"),
        ([rb"a\ud83d", rb"b"], "a\ufffdb"),
        ([rb"a\ud83d"], "a\ufffd"),
        ([b"a\xff"], "a\ufffd"),
    ],
)
async def test_text_that_is_no_unicode(
    wire: AnthropicWire, start: Start, context: CallContext, sent: list[bytes], read: str
) -> None:
    pieces = [says("X").replace(b'"X"', b'"' + piece + b'"') for piece in sent]
    chunks = await answered(wire, start, context, START, begin(), *pieces, end(), STOP)
    assert (text(chunks), chunks[-1].finish_reason) == (read, "stop")


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize(
    "tags",
    [
        "<think>\nhm\n</think>\n\n",
        "[THINK]hm[/THINK]",
        "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>",
        "Okay, hm.\n</think>\n\n",
    ],
)
async def test_thoughts_in_the_text_are_no_answer(
    wire: AnthropicWire, start: Start, context: CallContext, tags: str, size: int, stream: bool
) -> None:
    said = tags + "Hi"
    pieces = [says(said[at : at + size]) for at in range(0, len(said), size)]
    options = GenerateOptions(stream=stream)
    chunks = await answered(wire, start, context, START, begin(), *pieces, end(), STOP, options=options)
    assert (text(chunks), chunks[-1].finish_reason) == ("Hi", "stop")


async def test_a_template_that_opens_the_thoughts(wire: AnthropicWire, start: Start, context: CallContext) -> None:
    wire.raw["/v1/messages"] = Raw([START, begin(), says("So hm.</think>Hi"), end(), STOP], EVENTS)
    chunks = await ask(await start(base_url=wire.url, template_opens_thoughts=True), context)
    assert ("".join(chunk.reasoning for chunk in chunks), text(chunks)) == ("So hm.", "Hi")


@pytest.mark.parametrize("reason", ["abort", "error", "cancelled", {"type": "network_error"}])
async def test_an_answer_that_the_server_broke_off(
    wire: AnthropicWire, start: Start, context: CallContext, reason: Any
) -> None:
    with pytest.raises(ProviderError, match="broke off the answer"):
        await answered(wire, start, context, START, begin(), says("Hel"), end(reason), STOP)


async def test_usage_is_the_newest_figure_of_each_kind(wire: AnthropicWire, start: Start, context: CallContext) -> None:
    last = end(cache_creation_input_tokens=2, cache_read_input_tokens=4, output_tokens_details={"thinking_tokens": 1})
    chunks = await answered(wire, start, context, START, begin(), says("Hi"), last, STOP)
    assert chunks[-1].usage == Usage(13, 3, 4, 1)


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("pause_turn", "length"),
        ("refusal", "content_filter"),
        ("novelty", "stop"),
    ],
)
async def test_why_answers_end(
    start: Start, context: CallContext, reason: str, finish: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with AnthropicWire(stop_reason=reason) as wire:
        chunks = await ask(await start(base_url=wire.url), context)
    assert (text(chunks), chunks[-1].finish_reason) == ("one two three", finish)
    assert ("unknown stop_reason 'novelty'" in caplog.text) == (reason == "novelty")


async def test_the_text_that_ends_an_answer_is_named(wire: AnthropicWire, start: Start, context: CallContext) -> None:
    chunks = await ask(await start(base_url=wire.url), context, options=GenerateOptions(stop=("three",)))
    assert (text(chunks).strip(), chunks[-1].finish_reason, chunks[-1].stopped_by) == ("one two", "stop", "three")


async def test_a_refusal_without_text_and_thoughts_alone(
    wire: AnthropicWire, start: Start, context: CallContext
) -> None:
    refused = await answered(wire, start, context, START, end("refusal"), STOP)
    assert [(chunk.text, chunk.finish_reason) for chunk in refused] == [("", "content_filter")]
    thought = begin(type="thinking", thinking="h") + delta("thinking_delta", thinking="m") + end() + STOP
    alone = await answered(wire, start, context, START, thought)
    assert ("".join(chunk.reasoning for chunk in alone), text(alone), alone[-1].finish_reason) == ("hm", "", "stop")


async def test_calls_of_odd_forms(wire: AnthropicWire, start: Start, context: CallContext) -> None:
    calls: list[tuple[list[bytes], list[tuple[str, str]]]] = [
        ([begin(**{**USE, "input": {"town": "Bonn"}}), end("tool_use")], [("toolu_0", '{"town": "Bonn"}')]),
        ([begin(**USE), end("tool_use")], [("toolu_0", "{}")]),
        ([begin(**USE), delta("input_json_delta", partial_json='{"to'), end("max_tokens")], []),
        ([begin(**USE), delta("input_json_delta", partial_json="{}"), end("end_turn")], [("toolu_0", "{}")]),
    ]
    for pieces, expected in calls:
        chunks = await answered(wire, start, context, START, *pieces, STOP, options=TOOLS)
        assert [(call.id, call.arguments) for call in chunks[-1].tool_calls] == expected
    without = await answered(wire, start, context, START, begin(), says("Hi"), begin(1, **USE), end("tool_use"), STOP)
    assert (text(without), without[-1].tool_calls, without[-1].finish_reason) == ("Hi", (), "stop")
    anonymous = await answered(wire, start, context, START, begin(**{**USE, "id": ""}), end(), STOP, options=TOOLS)
    assert anonymous[-1].tool_calls[0].id


async def test_a_whole_message(start: Start, context: CallContext) -> None:
    async with AnthropicWire(streams=False, thoughts="hm", signature="signed") as wire:
        chunks = await ask(await start(base_url=wire.url, think=True), context)
    assert [chunk.reasoning or chunk.signature or chunk.text for chunk in chunks[:-1]] == [
        "hm",
        "signed",
        "one two three",
    ]
    assert chunks[-1].usage == Usage(3, 4)


TEXT = {"type": "text", "text": "Hi"}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    "message",
    [
        {**MESSAGE, "content": "Hi", "stop_reason": "end_turn"},
        {**MESSAGE, "content": "Hi"},
        {**MESSAGE, "content": [TEXT]},
        {**MESSAGE, "content": [TEXT], "stop_reason": None},
        {**MESSAGE, "content": ["H", "i"]},
        {**MESSAGE, "content": {"text": "Hi"}},
        {"role": "assistant", "content": [{"text": "Hi"}]},
        {"content": "<think>hm</think>Hi", "error": None},
    ],
)
async def test_whole_messages_in_odd_forms(
    wire: AnthropicWire, start: Start, context: CallContext, message: dict[str, Any], stream: bool
) -> None:
    wire.raw["/v1/messages"] = Raw([json.dumps(message, indent=1).encode()], {"Content-Type": "application/json"})
    chunks = await ask(await start(base_url=wire.url), context, options=GenerateOptions(stream=stream))
    assert (text(chunks), chunks[-1].finish_reason) == ("Hi", "stop")


BROKEN: dict[str, tuple[list[bytes], str, str]] = {
    "cut": ([START, begin(), says("Hi")], "unavailable", "in the middle"),
    "nothing": ([], "unavailable", "in the middle"),
    "frames of another API": ([b'data: {"choices": []}\n\n', b"data: [DONE]\n\n"], "failed", "like Anthropic's"),
    "no JSON": ([START, begin(), says("Hi"), b'data: {"type": "content_blo\n\n'], "failed", "not JSON"),
    "an error": (
        [START, begin(), says("Hi"), event("error", error={"type": "overloaded_error", "message": "Overloaded"})],
        "overloaded",
        "busy: Overloaded",
    ),
    "an error of its own": (
        [START, begin(), says("Hi"), event("error", error={"type": "api_error", "message": "Oh"})],
        "failed",
        "failed: Oh",
    ),
    "an error without a reason": ([START, begin(), says("Hi"), event("error")], "failed", "without an explanation"),
}


@pytest.mark.parametrize("case", BROKEN)
async def test_broken_answers_are_errors_after_their_text(
    wire: AnthropicWire, start: Start, context: CallContext, case: str
) -> None:
    pieces, kind, sentence = BROKEN[case]
    wire.raw["/v1/messages"] = Raw(pieces, EVENTS)
    provider = await start(base_url=wire.url, max_retries=0)
    found: list[Chunk] = []

    async def collect() -> None:
        async with aclosing(provider.generate(QUESTION, TOOLS, context)) as chunks:
            async for chunk in chunks:
                found.append(chunk)  # noqa: PERF401  # what came before the error counts

    with pytest.raises(ProviderError, match=sentence) as raised:
        await collect()
    assert raised.value.kind == kind
    assert text(found) == ("Hi" if says("Hi") in pieces else "")


@pytest.mark.parametrize("kind", ["die", "garbage", "end", "error"])
async def test_an_answer_that_breaks_is_not_begun_again(
    wire: AnthropicWire, start: Start, context: CallContext, kind: Any
) -> None:
    wire.faults.append(Fault(kind, after=2, status=529))
    with pytest.raises(OrbitError):
        await ask(await start(base_url=wire.url), context)
    assert len(wire.asked()) == 1
