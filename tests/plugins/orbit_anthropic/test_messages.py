"""What the server is asked: conversations, tools, images and options in the form of the Messages API."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from anthropic_kit import QUESTION, Start, ask, text
from anthropic_wire import AnthropicWire
from wire_kit import CALL, ROUND, TOOLS, WEATHER

from orbit import CallContext, File, GenerateOptions, Image, Message, ProviderError, Text, ToolCall, ToolChoice, Usage

SYSTEM = (Message("system", "Be kind."), *QUESTION)


async def test_a_question(start: Start, context: CallContext) -> None:
    async with AnthropicWire(api_key="secret", cached=2) as wire:
        provider = await start(base_url=wire.url, api_key="secret", temperature=0.3, cache=True)
        options = GenerateOptions(top_p=0.9, top_k=5, max_tokens=50, stop=("END",))
        chunks = await ask(provider, context, SYSTEM, options)
        (request,) = wire.requests
    assert text(chunks) == "one two three"
    assert chunks[-1].usage == Usage(5, 3, 2)
    assert request.body == {
        "model": "claude",
        "system": "Be kind.",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "one two three"}]}],
        "max_tokens": 50,
        "stream": True,
        "stop_sequences": ["END"],
        "temperature": 0.3,
        "top_p": 0.9,
        "top_k": 5,
        "cache_control": {"type": "ephemeral"},
    }
    assert request.headers["anthropic-version"] == "2023-06-01"
    assert request.headers["x-api-key"] == "secret"


async def test_consecutive_messages_are_one_and_none_is_empty(
    wire: AnthropicWire, start: Start, context: CallContext
) -> None:
    talk = (
        Message("user", "One"),
        Message("user", "two?"),
        Message("assistant", ""),
        Message("user", "Three?"),
        Message("assistant", "It is \n"),
    )
    await ask(await start(base_url=wire.url), context, talk)
    (body,) = wire.asked()
    assert [[block["text"] for block in message["content"]] for message in body["messages"]] == [
        ["One", "two?"],
        ["."],
        ["Three?"],
        ["It is"],
    ]


@pytest.mark.parametrize("streams", [True, False])
async def test_a_round_of_tools(start: Start, context: CallContext, *, streams: bool) -> None:
    calls = [("weather", '{"town": "Bonn"}'), ("weather", '{"town": "Ulm"}'), ("clock", "{}")]
    async with AnthropicWire(calls=calls, streams=streams) as wire:
        provider = await start(base_url=wire.url)
        choice = ToolChoice("required", "weather")
        options = GenerateOptions(tools=(WEATHER,), tool_choice=choice, parallel_tool_calls=False)
        chunks = await ask(provider, context, options=options)
        replied = await ask(provider, context, (*ROUND, Message("user", "And now?")), TOOLS)
        first, second = wire.asked()
    found = [call for chunk in chunks for call in chunk.tool_calls]
    assert [(call.name, call.arguments) for call in found] == calls
    assert [call.id for call in found] == ["toolu_0", "toolu_1", "toolu_2"]
    assert chunks[-1].finish_reason == "tool_calls"
    assert text(replied) == "Rain.And now?"
    assert first["tools"] == [
        {"name": "weather", "description": "The weather.", "input_schema": WEATHER.parameters},
    ]
    assert first["tool_choice"] == {"type": "tool", "name": "weather", "disable_parallel_tool_use": True}
    assert "tool_choice" not in second
    assert second["messages"][1:] == [
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": CALL.id, "name": "weather", "input": {"town": "Bonn"}}],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": CALL.id, "content": "Rain."},
                {"type": "text", "text": "And now?"},
            ],
        },
    ]


@pytest.mark.parametrize(
    ("options", "choice"),
    [
        ({"tool_choice": ToolChoice("none")}, {"type": "none"}),
        ({"tool_choice": ToolChoice("required")}, {"type": "any"}),
        ({"tool_choice": ToolChoice("auto")}, None),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        ({"parallel_tool_calls": True}, None),
    ],
)
async def test_choices_of_tools(
    wire: AnthropicWire, start: Start, context: CallContext, options: dict[str, Any], choice: Any
) -> None:
    await ask(await start(base_url=wire.url), context, options=GenerateOptions(tools=(WEATHER,), **options))
    assert wire.asked()[0].get("tool_choice") == choice


async def test_ids_of_other_servers_and_results_of_nothing(
    wire: AnthropicWire, start: Start, context: CallContext
) -> None:
    call = ToolCall("call:1/x", "weather", "{}")
    talk = (*QUESTION, Message("assistant", "", tool_calls=(call,)), Message("tool", "", tool_call_id=call.id))
    await ask(await start(base_url=wire.url), context, talk, TOOLS)
    (body,) = wire.asked()
    assert body["messages"][1]["content"][0]["id"] == "call_1_x"
    assert body["messages"][2]["content"] == [{"type": "tool_result", "tool_use_id": "call_1_x", "content": None}]


async def test_images_and_files(wire: AnthropicWire, start: Start, context: CallContext) -> None:
    parts = (
        Text("Look: "),
        Image(b"\x89PNG", "image/png", "low"),
        File(b"%PDF", "application/pdf", "a.pdf"),
        File(b"Rain.", "text/plain"),
    )
    provider = await start(base_url=wire.url)
    await ask(provider, context, (Message("user", "Look: ", parts),))
    picture = Message("tool", "", (Image(b"\x89PNG", "image/png"),), tool_call_id=CALL.id)
    await ask(provider, context, (*ROUND[:2], picture), TOOLS)
    first, second = wire.asked()
    png, pdf = (base64.b64encode(data).decode() for data in (b"\x89PNG", b"%PDF"))
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": png}}
    assert first["messages"][0]["content"] == [
        {"type": "text", "text": "Look: "},
        image,
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": pdf},
            "title": "a.pdf",
        },
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Rain."}},
    ]
    assert second["messages"][2]["content"][0]["content"] == [image]
    with pytest.raises(ProviderError) as raised:
        await ask(provider, context, (Message("user", "", (File(b"\xff\x00", "application/zip"),)),))
    assert (raised.value.kind, raised.value.option) == ("rejected", "messages")


async def test_answers_after_a_schema(wire: AnthropicWire, start: Start, context: CallContext) -> None:
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    provider = await start(base_url=wire.url)
    await ask(provider, context, SYSTEM, GenerateOptions(json_schema=schema))
    await ask(provider, context, SYSTEM, GenerateOptions(json_schema={"type": "object"}))
    first, second = wire.asked()
    assert first["output_config"] == {"format": {"type": "json_schema", "schema": schema}}
    assert "output_config" not in second
    assert second["system"] == "Be kind.\n\nAnswer with one JSON object and nothing else."


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"seed": 1}, "seed"),
        ({"min_p": 0.1}, "min_p"),
        ({"repeat_penalty": 1.1}, "repeat_penalty"),
        ({"presence_penalty": 0.5}, "presence_penalty"),
        ({"frequency_penalty": 0.5}, "frequency_penalty"),
        ({"temperature": 1.5}, "temperature"),
    ],
)
async def test_options_that_the_api_does_not_have(
    wire: AnthropicWire, start: Start, context: CallContext, options: dict[str, Any], option: str
) -> None:
    provider = await start(base_url=wire.url)
    with pytest.raises(ProviderError) as raised:
        await ask(provider, context, options=GenerateOptions(strict=True, **options))
    assert (raised.value.kind, raised.value.option) == ("rejected", option)
    neutral = GenerateOptions(strict=True, min_p=0, repeat_penalty=1, presence_penalty=0, frequency_penalty=0)
    assert text(await ask(provider, context, options=neutral)) == "one two three"


async def test_fields_of_the_operator_and_of_the_client(
    wire: AnthropicWire, start: Start, context: CallContext
) -> None:
    provider = await start(base_url=wire.url, extra_body={"service_tier": "auto", "top_p": None}, top_p=0.5)
    await ask(provider, context, options=GenerateOptions(extra={"novel": 1, "model": "other"}))
    (body,) = wire.asked()
    assert (body["service_tier"], body["novel"], body["model"]) == ("auto", 1, "claude")
    assert "top_p" not in body


async def test_a_long_prompt_is_counted_by_the_server(start: Start, context: CallContext) -> None:
    async with AnthropicWire() as wire:
        provider = await start(base_url=wire.url, context_window=128, max_tokens=10)
        short = await provider.count_tokens(QUESTION, GenerateOptions(), context)
        counted = await provider.count_tokens((Message("user", "word " * 59 + "word"),), GenerateOptions(), context)
        assert (short.window, counted.prompt, counted.window) == (128, 60, 128)
        assert len(wire.asked("/v1/messages/count_tokens")) == 1
        wire.counts = False
        estimates = [
            await provider.count_tokens((Message("user", "word " * 59 + "word"),), TOOLS, context) for _ in range(2)
        ]
        assert len(wire.asked("/v1/messages/count_tokens")) == 2  # it does not count, and is not asked again
    assert [estimate.prompt > 90 for estimate in estimates] == [True, True]
