"""Tools, images, reasoning and probabilities: what the server is sent, and what comes back of its odd answers."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from openai_kit import ANYTHING, QUESTION, Start, ask, text
from openai_streams import DONE, delta, event, message, usage
from openai_wire import OpenAIWire, Raw
from wire_kit import CALL, ROUND, TOOLS, WEATHER

from orbit import (
    CallContext,
    Chunk,
    File,
    GenerateOptions,
    Image,
    Message,
    ProviderError,
    Text,
    ToolChoice,
    Usage,
)

SWITCHES = ("enable_thinking", "thinking")


def called(chunks: list[Chunk]) -> list[tuple[str, str]]:
    return [(call.name, call.arguments) for chunk in chunks for call in chunk.tool_calls]


@pytest.mark.parametrize("streams", [True, False])
async def test_a_round_of_tools(start: Start, context: CallContext, *, streams: bool) -> None:
    calls = [("weather", '{"town": "Bonn"}'), ("weather", '{"town": "Ulm"}')]
    async with OpenAIWire(calls=calls, streams=streams) as wire:
        provider = await start(base_url=wire.url)
        choice = ToolChoice("required", "weather")
        options = GenerateOptions(tools=(WEATHER,), tool_choice=choice, parallel_tool_calls=False, stream=streams)
        chunks = await ask(provider, context, options=options)
        replied = await ask(provider, context, ROUND, TOOLS)
        first, second = wire.asked()

    assert called(chunks) == calls
    assert [call.id for chunk in chunks for call in chunk.tool_calls] == ["call_0", "call_1"]
    assert chunks[-1].finish_reason == "tool_calls"
    assert text(replied) == "Rain."
    function = {"name": "weather", "description": "The weather.", "parameters": WEATHER.parameters}
    assert first["tools"] == [{"type": "function", "function": function}]
    assert first["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    assert first["parallel_tool_calls"] is False
    assert "tool_choice" not in second
    assert second["messages"][1:] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "call_0", "type": "function", "function": {"name": "weather", "arguments": CALL.arguments}}
            ],
        },
        {"role": "tool", "content": "Rain.", "tool_call_id": "call_0"},
    ]


def fragment(index: Any = ..., arguments: Any = ..., **fields: Any) -> bytes:
    function = {} if arguments is ... else {"arguments": arguments}
    if "name" in fields:
        function["name"] = fields.pop("name")
    place = {} if index is ... else {"index": index}
    return delta(tool_calls=[{**place, **fields, "function": function}])


END = [delta(reason="tool_calls"), DONE]
A, B, X = ({"id": name, "name": "weather"} for name in "abx")
BONN, ULM = '{"town": "Bonn"}', '{"town": "Ulm"}'
TWO = [("weather", BONN), ("weather", ULM)]
ODD: dict[str, tuple[list[bytes], list[tuple[str, str]]]] = {
    "interleaved": (
        [
            fragment(0, "", **A),
            fragment(1, "", **B),
            fragment(0, BONN[:5]),
            fragment(1, ULM[:5]),
            fragment(1, ULM[5:]),
            fragment(0, BONN[5:]),
            *END,
        ],
        TWO,
    ),
    "one index for all": ([fragment(0, BONN, **A), fragment(0, ULM, **B), *END], TWO),
    "no index": (
        [fragment(..., BONN[:5], **A), fragment(..., BONN[5:]), fragment(..., ULM, **B), *END],
        TWO,
    ),
    "neither index nor id": ([fragment(..., BONN, name="weather"), fragment(..., ULM, name="weather"), *END], TWO),
    "one id for all": ([fragment(0, BONN, **X), fragment(1, ULM, **X), *END], TWO),
    "the name each time": (
        [fragment(0, BONN[:5], **A), fragment(0, BONN[5:], **A), *END],
        TWO[:1],
    ),
    "nulls": ([fragment(0, None, **A), fragment(0, BONN, id=None, name=None), *END], TWO[:1]),
    "no id": ([fragment(0, BONN, name="weather"), *END], TWO[:1]),
    "an object": ([fragment(0, {"town": "Bonn"}, **A), *END], TWO[:1]),
    "text within text": ([fragment(0, '"{\\"town\\": \\"Bonn\\"}"', **A), *END], TWO[:1]),
    "no arguments": ([fragment(0, "", **A), *END], [("weather", "{}")]),
    "stop": ([fragment(0, BONN, **A), delta(reason="stop"), DONE], TWO[:1]),
    "no finish reason": ([fragment(0, BONN, **A), DONE], TWO[:1]),
    "with the finish reason": (
        [
            delta(reason="tool_calls", tool_calls=[{"index": 0, "function": {"name": "weather", "arguments": BONN}}]),
            DONE,
        ],
        TWO[:1],
    ),
    "a function_call": (
        [delta(function_call={"name": "weather", "arguments": BONN}), delta(reason="function_call"), DONE],
        TWO[:1],
    ),
    "cut": ([fragment(0, BONN, **A), fragment(1, '{"to', **B), delta(reason="length"), DONE], TWO[:1]),
    "usage last": ([fragment(0, BONN, **A), delta(reason="tool_calls"), usage(choices=[]), DONE], TWO[:1]),
    "whole": (
        [
            message(
                None, "tool_calls", tool_calls=[{"function": {"name": "weather", "arguments": one}} for _, one in TWO]
            )
        ],
        TWO,
    ),
}


@pytest.mark.parametrize("case", ODD)
async def test_calls_in_odd_forms(wire: OpenAIWire, start: Start, context: CallContext, case: str) -> None:
    pieces, expected = ODD[case]
    kind = "application/json" if case == "whole" else "text/event-stream"
    wire.raw["/v1/chat/completions"] = Raw(pieces, {"Content-Type": kind})
    chunks = await ask(await start(base_url=wire.url), context, options=TOOLS)

    assert called(chunks) == expected
    ids = [call.id for chunk in chunks for call in chunk.tool_calls]
    assert all(ids)
    assert len(set(ids)) == len(ids)
    assert chunks[-1].finish_reason == ("length" if case == "cut" else "tool_calls")


async def test_text_before_a_call(wire: OpenAIWire, start: Start, context: CallContext) -> None:
    pieces = [delta("I "), delta("look."), fragment(0, BONN, **A), *END]
    wire.raw["/v1/chat/completions"] = Raw(pieces, {"Content-Type": "text/event-stream"})
    provider = await start(base_url=wire.url)
    chunks = await ask(provider, context, options=TOOLS)
    assert (text(chunks), called(chunks)) == ("I look.", TWO[:1])
    without = await ask(provider, context)  # nobody gave it tools
    assert (text(without), called(without), without[-1].finish_reason) == ("I look.", [], "stop")


async def test_arguments_that_are_no_json_stay_as_they_are(
    wire: OpenAIWire, start: Start, context: CallContext
) -> None:
    pieces = [fragment(0, "Bonn, please", **A), *END]
    wire.raw["/v1/chat/completions"] = Raw(pieces, {"Content-Type": "text/event-stream"})
    assert called(await ask(await start(base_url=wire.url), context, options=TOOLS)) == [("weather", "Bonn, please")]


async def test_images_and_files_are_data_urls(wire: OpenAIWire, start: Start, context: CallContext) -> None:
    parts = (Text("Look: "), Image(b"\x89PNG", "image/png", "low"), File(b"%PDF", "application/pdf", "a.pdf"))
    await ask(await start(base_url=wire.url), context, (Message("user", "Look: ", parts),))
    (asked,) = wire.asked()
    png, pdf = (base64.b64encode(data).decode() for data in (b"\x89PNG", b"%PDF"))
    assert asked["messages"][0]["content"] == [
        {"type": "text", "text": "Look: "},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{png}", "detail": "low"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{pdf}"}},
    ]


@pytest.mark.parametrize(
    ("flavour", "effort", "fields"),
    [
        ("openai", "high", {"reasoning_effort": "high"}),
        ("openai", "none", {"reasoning_effort": "none"}),
        (
            "vllm",
            "low",
            {"reasoning_effort": "low", "chat_template_kwargs": {"enable_thinking": True, "thinking": True}},
        ),
        ("vllm", "none", {"chat_template_kwargs": dict.fromkeys(SWITCHES, False)}),
    ],
)
async def test_a_request_chooses_the_effort(
    start: Start, context: CallContext, flavour: Any, effort: str, fields: dict[str, Any]
) -> None:
    async with OpenAIWire(flavour=flavour) as wire:
        provider = await start(base_url=wire.url, think="medium")
        await ask(provider, context, options=GenerateOptions(reasoning_effort=effort))
        (asked,) = wire.asked()
    assert asked.items() >= fields.items()
    assert asked.keys() & {"reasoning_effort", "chat_template_kwargs"} == fields.keys()


async def test_probabilities_formats_and_continuations(start: Start, context: CallContext) -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}, "strict": False}}
    async with OpenAIWire(flavour="vllm") as wire:
        provider = await start(base_url=wire.url)
        options = GenerateOptions(logprobs=2, response_format=schema, json_schema={"type": "object"})
        await ask(provider, context, (*QUESTION, Message("assistant", "It is")), options)
        (asked,) = wire.asked()
    assert (asked["logprobs"], asked["top_logprobs"], asked["response_format"]) == (True, 2, schema)
    assert (asked["add_generation_prompt"], asked["continue_final_message"]) == (False, True)


async def test_probabilities_come_with_their_text(wire: OpenAIWire, start: Start, context: CallContext) -> None:
    likely = {"token": "Hi", "logprob": -0.5, "bytes": [72, 105]}
    choice = {"index": 0, "delta": {"content": "Hi"}, "logprobs": {"content": [{**likely, "top_logprobs": [likely]}]}}
    counts = {"prompt_tokens": 7, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}}
    counts["completion_tokens_details"] = {"reasoning_tokens": 1}
    end = event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": counts})
    wire.raw["/v1/chat/completions"] = Raw(
        [event({"choices": [choice]}), end, DONE], {"Content-Type": "text/event-stream"}
    )
    chunks = await ask(await start(base_url=wire.url), context, options=GenerateOptions(logprobs=1))
    (token,) = [token for chunk in chunks for token in chunk.logprobs]
    assert (token.token, token.logprob, token.bytes, token.top_logprobs[0].token) == ("Hi", -0.5, (72, 105), "Hi")
    assert chunks[-1].usage == Usage(7, 3, 4, 1)


@pytest.mark.parametrize(
    ("said", "option"),
    [
        ('"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set', "tools"),
        ("At most 0 image(s) may be provided in one request.", "messages"),
        ("Unrecognized request argument supplied: reasoning_effort", "reasoning_effort"),
    ],
)
async def test_what_a_server_refuses_is_the_clients(
    wire: OpenAIWire, start: Start, context: CallContext, said: str, option: str
) -> None:
    wire.refuse = lambda path, body: (400, said)  # refuses all
    message = Message("user", "Look", (Text("Look"), Image(b"\x89PNG", "image/png")))
    options = GenerateOptions(tools=(WEATHER,) if option == "tools" else (), reasoning_effort="low")
    with pytest.raises(ProviderError) as raised:
        await ask(await start(base_url=wire.url), context, (message,), options)
    assert (raised.value.kind, raised.value.option) == ("rejected", option)


async def test_a_model_supports_what_the_list_the_settings_or_the_api_say(start: Start) -> None:
    async with OpenAIWire(flavour="vllm") as wire:
        (model,) = await (await start(base_url=wire.url)).models()
        assert (model.name, model.window) == ("llama", 8192)
        assert model.supports == {"tools", "images", "reasoning", "json_schema", "logprobs", "continue"}
        (own,) = await (await start(base_url=wire.url, supports=["tools"])).models()
        assert own.supports == {"tools"}
    listed = {
        "data": [
            {"id": "llama", "supported_parameters": ["tools"], "architecture": {"input_modalities": ["text", "image"]}},
            {"id": "mistral", "capabilities": {"completion_chat": True, "function_calling": True, "vision": False}},
            {"id": "embedder"},
        ]
    }
    async with OpenAIWire(listed=listed) as wire:
        models = await (await start(base_url=wire.url)).models()
    assert {model.name: model.supports for model in models} == {
        "llama": {"tools", "images"},
        "mistral": {"tools", "json_schema"},
    }


async def test_tools_images_and_calls_take_tokens(wire: OpenAIWire, start: Start) -> None:
    provider = await start(base_url=wire.url)
    plain = (await provider.count_tokens(ROUND[:1], ANYTHING)).prompt
    assert (await provider.count_tokens(ROUND[:1], TOOLS)).prompt > plain
    without_call = [ROUND[0], Message("assistant", ""), ROUND[2]]
    assert (await provider.count_tokens(ROUND, ANYTHING)).prompt > (
        await provider.count_tokens(without_call, ANYTHING)
    ).prompt
    image = Message("user", "one two three", (Image(b"\x89PNG", "image/png"),))
    assert (await provider.count_tokens((image,), ANYTHING)).prompt >= plain + 500
