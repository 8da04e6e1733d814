"""Tools, images, reasoning and probabilities: what Ollama is sent, and what comes back of its odd answers."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from ollama_kit import ANYTHING, QUESTION, Start, ask, text
from ollama_streams import last, line
from ollama_wire import OllamaWire, Raw
from wire_kit import ROUND, TOOLS, WEATHER

from orbit import (
    CallContext,
    Chunk,
    GenerateOptions,
    Image,
    Message,
    ProviderError,
    Text,
    Tool,
    ToolChoice,
)

BONN, ULM = {"town": "Bonn"}, {"town": "Ulm"}


def called(chunks: list[Chunk]) -> list[tuple[str, Any]]:
    return [(call.name, json.loads(call.arguments)) for chunk in chunks for call in chunk.tool_calls]


def function(arguments: Any, **fields: Any) -> dict[str, Any]:
    return {**fields, "function": {"name": "weather", "arguments": arguments}}


@pytest.mark.parametrize("stream", [True, False])
async def test_a_round_of_tools(start: Start, context: CallContext, *, stream: bool) -> None:
    async with OllamaWire(calls=[("weather", BONN), ("weather", ULM)], abilities=["completion", "tools"]) as wire:
        provider = await start(base_url=wire.url)
        options = GenerateOptions(tools=(WEATHER,), tool_choice=ToolChoice(), stream=stream)
        chunks = await ask(provider, context, options=options)
        replied = await ask(provider, context, ROUND, TOOLS)
        first, second = wire.asked()

    assert called(chunks) == [("weather", BONN), ("weather", ULM)]
    assert chunks[-1].finish_reason == "tool_calls"
    assert text(replied) == "Rain."
    assert first["tools"][0]["function"]["parameters"] == WEATHER.parameters
    assert second["messages"][1:] == [
        {"role": "assistant", "content": "", "tool_calls": [function(BONN, id="call_0", type="function")]},
        {"role": "tool", "content": "Rain.", "tool_call_id": "call_0", "tool_name": "weather"},
    ]


@pytest.mark.parametrize("name", ["", "weather"])
async def test_a_call_that_must_happen_is_an_answer_after_a_schema(
    wire: OllamaWire, start: Start, context: CallContext, name: str
) -> None:
    wire.reply = lambda _: json.dumps({"name": "weather", "arguments": BONN})
    news = Tool("news", parameters={"type": "object", "properties": {}})
    options = GenerateOptions(tools=(WEATHER, news), tool_choice=ToolChoice("required", name))
    chunks = await ask(await start(base_url=wire.url), context, options=options)
    (asked,) = wire.asked()

    assert (text(chunks), called(chunks)) == ("", [("weather", BONN)])
    assert chunks[-1].finish_reason == "tool_calls"
    assert "tools" not in asked
    forms = [asked["format"]] if name else asked["format"]["anyOf"]
    assert [form["properties"]["name"]["enum"] for form in forms] == (
        [["weather"]] if name else [["weather"], ["news"]]
    )
    assert asked["messages"][0]["role"] == "system"
    assert "The weather." in asked["messages"][0]["content"]


async def test_no_tools_are_sent_where_none_may_be_called(wire: OllamaWire, start: Start, context: CallContext) -> None:
    options = GenerateOptions(tools=(WEATHER,), tool_choice=ToolChoice("none"))
    await ask(await start(base_url=wire.url), context, options=options)
    assert "tools" not in wire.asked()[0]


ODD: dict[str, tuple[list[bytes], list[tuple[str, Any]]]] = {
    "no id": ([line(tool_calls=[function(BONN)]), last()], [("weather", BONN)]),
    "one id for all": (
        [line(tool_calls=[function(BONN, id="x"), function(ULM, id="x")]), last()],
        [("weather", BONN), ("weather", ULM)],
    ),
    "with the end": ([last(tool_calls=[function(BONN)])], [("weather", BONN)]),
    "text of JSON": ([line(tool_calls=[function(json.dumps(BONN))]), last()], [("weather", BONN)]),
    "no arguments": ([line(tool_calls=[{"function": {"name": "weather"}}]), last()], [("weather", {})]),
    "null": ([line(tool_calls=[function(None)]), last()], [("weather", {})]),
    "one and no list": ([line(tool_calls=function(BONN)), last()], [("weather", BONN)]),
    "something else": ([line(tool_calls=["x", {"function": 5}, function(BONN)]), last()], [("weather", BONN)]),
}


@pytest.mark.parametrize("case", ODD)
async def test_calls_in_odd_forms(wire: OllamaWire, start: Start, context: CallContext, case: str) -> None:
    pieces, expected = ODD[case]
    wire.raw["/api/chat"] = Raw(pieces, {"Content-Type": "application/x-ndjson"})
    chunks = await ask(await start(base_url=wire.url), context, options=TOOLS)
    ids = [call.id for chunk in chunks for call in chunk.tool_calls]
    assert called(chunks) == expected
    assert all(ids)
    assert len(set(ids)) == len(ids)
    assert chunks[-1].finish_reason == "tool_calls"


async def test_text_before_a_call(wire: OllamaWire, start: Start, context: CallContext) -> None:
    pieces = [line("I look."), line(tool_calls=[function(BONN)]), last()]
    wire.raw["/api/chat"] = Raw(pieces, {"Content-Type": "application/x-ndjson"})
    provider = await start(base_url=wire.url)
    chunks = await ask(provider, context, options=TOOLS)
    assert (text(chunks), called(chunks)) == ("I look.", [("weather", BONN)])
    without = await ask(provider, context)
    assert (text(without), called(without), without[-1].finish_reason) == ("I look.", [], "stop")


async def test_images_are_beside_the_text(wire: OllamaWire, start: Start, context: CallContext) -> None:
    parts = (Text("Look"), Image(b"\x89PNG", "image/png"))
    await ask(await start(base_url=wire.url), context, (Message("user", "Look", parts),))
    expected = {"role": "user", "content": "Look", "images": [base64.b64encode(b"\x89PNG").decode()]}
    assert wire.asked()[0]["messages"] == [expected]


@pytest.mark.parametrize(("effort", "think"), [("none", False), ("minimal", "low"), ("high", "high")])
async def test_a_request_chooses_the_effort(start: Start, context: CallContext, effort: str, think: Any) -> None:
    async with OllamaWire(thinking_models=("llama3.2:latest",)) as wire:
        provider = await start(base_url=wire.url, think=True)
        await ask(provider, context, options=GenerateOptions(reasoning_effort=effort))
        assert wire.asked()[0]["think"] == think


async def test_probabilities_come_with_their_text(wire: OllamaWire, start: Start, context: CallContext) -> None:
    likely = {"token": "Hi", "logprob": -0.5, "bytes": [72, 105]}
    pieces = [line("Hi", logprobs=[{**likely, "top_logprobs": [likely]}]), last()]
    wire.raw["/api/chat"] = Raw(pieces, {"Content-Type": "application/x-ndjson"})
    chunks = await ask(await start(base_url=wire.url), context, options=GenerateOptions(logprobs=1))
    (token,) = [token for chunk in chunks for token in chunk.logprobs]
    assert (token.token, token.logprob, token.bytes, token.top_logprobs[0].token) == ("Hi", -0.5, (72, 105), "Hi")


async def test_probabilities_of_text_that_is_held_back_come_with_it(
    wire: OllamaWire, start: Start, context: CallContext
) -> None:
    words = ["The", " user", " is"]  # it may be the beginning of thoughts
    pieces = [line(word, logprobs=[{"token": word, "logprob": -0.5}]) for word in words]
    wire.raw["/api/chat"] = Raw([*pieces, last()], {"Content-Type": "application/x-ndjson"})
    chunks = await ask(await start(base_url=wire.url), context, options=GenerateOptions(logprobs=0))
    assert "".join(chunk.text for chunk in chunks) == "The user is"
    assert [token.token for chunk in chunks for token in chunk.logprobs] == words


async def test_a_model_supports_what_the_server_says(start: Start) -> None:
    always = {"json_schema", "logprobs"}
    async with OllamaWire(abilities=["completion", "tools", "vision"]) as wire:
        provider = await start(base_url=wire.url)
        (model,) = await provider.models()
        assert model.name == "llama3.2"
        assert model.supports == always | {"tools", "images"}
        wire.abilities = ["completion"]  # another model of the same name
        assert (await provider.models())[0].supports == always
        wire.abilities = None  # an old server leaves refusals to the call
        assert (await provider.models())[0].supports == always | {"tools", "images", "reasoning"}
        (own,) = await (await start(base_url=wire.url, supports=["images"])).models()
        assert own.supports == {"images"}


async def test_all_models_that_chat_are_listed_because_others_may_be_asked_for_by_name(start: Start) -> None:
    installed = ["llama3.2:latest", "gemma3:4b", "nomic-embed-text:latest"]
    async with OllamaWire(models=installed, abilities=["completion", "tools"]) as wire:
        provider = await start(base_url=wire.url, num_ctx=4096)
        listed = await provider.models()
        assert [(model.name, model.window) for model in listed] == [("llama3.2", 4096), ("gemma3:4b", 4096)]
        assert all("tools" in model.supports for model in listed)


async def test_another_model_is_asked_about_once_until_it_changes(start: Start) -> None:
    async with OllamaWire(models=["llama3.2:latest", "gemma3:4b", "nomic-embed-text:latest"]) as wire:
        provider = await start(base_url=wire.url)
        lists = [await provider.models() for _ in range(3)]
        assert lists[0] == lists[1] == lists[2]
        assert len(shown := [lookup for lookup in wire.lookups if lookup.path == "/api/show"]) == 1 + 3 + 1, shown


async def test_a_model_whose_abilities_the_server_cannot_tell_costs_no_other(start: Start) -> None:
    async with OllamaWire(
        models=["llama3.2:latest", "broken:1b", "gemma3:4b", "nomic-embed-text:latest"], unreadable=("broken:1b",)
    ) as wire:
        provider = await start(base_url=wire.url)
        assert [model.name for model in await provider.models()] == ["llama3.2", "gemma3:4b"]
        wire.unreadable = ()
        assert [model.name for model in await provider.models()] == ["llama3.2", "broken:1b", "gemma3:4b"]


async def test_what_the_server_refuses_is_the_clients(wire: OllamaWire, start: Start, context: CallContext) -> None:
    with pytest.raises(ProviderError) as raised:
        await ask(await start(base_url=wire.url), context, options=TOOLS)
    assert (raised.value.kind, raised.value.option) == ("rejected", "tools")
    with pytest.raises(ProviderError) as thoughtless:
        await ask(await start(base_url=wire.url), context, options=GenerateOptions(reasoning_effort="high"))
    assert (thoughtless.value.kind, thoughtless.value.option) == ("rejected", "reasoning_effort")


async def test_tools_and_images_take_tokens(wire: OllamaWire, start: Start) -> None:
    provider = await start(base_url=wire.url)

    async def size(*messages: Message, options: GenerateOptions = ANYTHING) -> int:
        return (await provider.count_tokens(messages, options)).prompt

    assert await size(*QUESTION, options=TOOLS) > await size(*QUESTION)
    image = Message("user", "one two three", (Image(b"\x89PNG", "image/png"),))
    assert await size(image) >= await size(*QUESTION) + 500
