"""Answers: what arrives, what is asked, and that stopping stops."""

from __future__ import annotations

from typing import Any

import pytest
from openai_kit import Start, ask, text
from openai_wire import OpenAIWire

from orbit import CallContext, GenerateOptions, ProviderError, Usage


async def test_pieces_come_as_the_model_writes_them(wire: OpenAIWire, start: Start, context: CallContext) -> None:
    wire.delay = 0.02
    chunks = await ask(await start(base_url=wire.url), context)

    assert [chunk.text for chunk in chunks] == ["one", " two", " three"]
    assert (chunks[-1].finish_reason, chunks[-1].usage) == ("stop", Usage(3, 3))
    assert all(chunk.finish_reason is None for chunk in chunks[:-1])


async def test_max_tokens_ends_with_length(wire: OpenAIWire, start: Start, context: CallContext) -> None:
    chunks = await ask(await start(base_url=wire.url, max_tokens=2), context)

    assert (text(chunks), chunks[-1].finish_reason) == ("one two", "length")


async def test_characters_survive(wire: OpenAIWire, start: Start, context: CallContext) -> None:
    wire.reply = lambda _: ["Grüße ", "日本語", " 👩‍👩‍👧", '\n"x"\\', "\u2028", "data: [DONE]\n\n"]
    chunks = await ask(await start(base_url=wire.url), context)

    assert text(chunks) == 'Grüße 日本語 👩‍👩‍👧\n"x"\\\u2028data: [DONE]\n\n'


@pytest.mark.parametrize(
    "switches", [{"streams": False}, {"done_line": False}, {"tells_usage": False}], ids=lambda value: next(iter(value))
)
async def test_servers_that_do_less(start: Start, context: CallContext, switches: dict[str, Any]) -> None:
    async with OpenAIWire(**switches) as wire:
        chunks = await ask(await start(base_url=wire.url), context)

    assert text(chunks) == "one two three"
    assert chunks[-1].finish_reason == "stop"
    assert chunks[-1].usage == (None if switches == {"tells_usage": False} else Usage(3, 3))


async def test_settings_and_request_become_fields(wire: OpenAIWire, start: Start, context: CallContext) -> None:
    extra = {"chat_template_kwargs": {"enable_thinking": False}, "stream_options": None}
    own = {"temperature": 0.1, "top_p": 0.8, "max_tokens": 100, "extra_body": extra}
    provider = await start(base_url=wire.url, max_tokens_field="max_completion_tokens", **own)
    schema = {"type": "object", "additionalProperties": False}

    await ask(provider, context)
    options = GenerateOptions(temperature=0, seed=7, top_k=3, min_p=0.1, stop=("\n",), max_tokens=5, json_schema=schema)
    await ask(provider, context, options=options)

    first, second = wire.asked()
    assert first == {
        "model": "llama",
        "messages": [{"role": "user", "content": "one two three"}],
        "stream": True,
        "temperature": 0.1,
        "top_p": 0.8,
        "max_completion_tokens": 100,
        "chat_template_kwargs": {"enable_thinking": False},
    }
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}
    changed = {"temperature": 0, "seed": 7, "stop": ["\n"], "max_completion_tokens": 5, "response_format": form}
    assert second == first | changed


@pytest.mark.parametrize(
    ("flavour", "dialect", "fields"),
    [
        ("openai", "auto", {}),
        ("vllm", "auto", {"top_k": 3, "min_p": 0.1, "repetition_penalty": 1.1}),
        ("llama.cpp", "auto", {"top_k": 3, "min_p": 0.1, "repeat_penalty": 1.1}),
        ("openai", "vllm", {"top_k": 3, "min_p": 0.1, "repetition_penalty": 1.1}),
        ("vllm", "openai", {}),
    ],
)
async def test_options_that_are_not_openais_go_only_to_servers_that_know_them(
    start: Start, context: CallContext, flavour: Any, dialect: str, fields: dict[str, Any]
) -> None:
    async with OpenAIWire(flavour=flavour) as wire:
        provider = await start(base_url=wire.url, dialect=dialect)
        await ask(provider, context, options=GenerateOptions(top_k=3, min_p=0.1, repeat_penalty=1.1))

        (body,) = wire.asked()
        assert {name: body[name] for name in body if name in ("top_k", "min_p") or "repe" in name} == fields


async def test_an_option_that_a_client_asked_for_is_never_dropped(
    wire: OpenAIWire, start: Start, context: CallContext
) -> None:
    provider = await start(base_url=wire.url)
    askable: list[tuple[str, dict[str, Any]]] = [
        ("top_k", {"top_k": 3}),
        ("min_p", {"min_p": 0.1}),
        ("repeat_penalty", {"repeat_penalty": 1.1}),
    ]
    for name, asked in askable:
        with pytest.raises(ProviderError, match=next(iter(asked))) as raised:
            await ask(provider, context, options=GenerateOptions(**asked, strict=True))
        assert raised.value.kind == "rejected"
        assert f"'{name}'" in raised.value.client
    neutral = GenerateOptions(top_k=-1, min_p=0, repeat_penalty=1, strict=True)
    await ask(provider, context, options=neutral)
    await ask(provider, context, options=GenerateOptions(presence_penalty=0.5, frequency_penalty=-1, strict=True))
    assert (wire.asked()[-1]["presence_penalty"], wire.asked()[-1]["frequency_penalty"]) == (0.5, -1)


async def test_a_request_may_name_another_model(wire: OpenAIWire, start: Start, context: CallContext) -> None:
    wire.models = [*wire.models, "judge"]
    await ask(await start(base_url=wire.url), context, options=GenerateOptions(model="judge"))

    assert wire.asked()[0]["model"] == "judge"


async def test_the_key_opens_the_server(start: Start, context: CallContext) -> None:
    async with OpenAIWire(api_key="secret") as wire:
        provider = await start(base_url=f"{wire.url}/", api_key="secret", headers={"X-Team": "docs"})

        assert text(await ask(provider, context)) == "one two three"
        assert wire.requests[0].headers["X-Team"] == "docs"


@pytest.mark.parametrize(
    "pieces",
    [
        ["<think>", "hmm", "</think>", "\n\n", "the answer"],
        ["\n<thi", "nk>hm", "m</th", "ink>", "the", " answer"],
        ["<think></think>the answer"],
    ],
)
async def test_thoughts_in_tags_are_left_out(
    wire: OpenAIWire, start: Start, context: CallContext, pieces: list[str]
) -> None:
    wire.reply, wire.delay = lambda _: pieces, 0.001

    assert text(await ask(await start(base_url=wire.url), context)) == "the answer"


@pytest.mark.parametrize("answer", ["<thinner than air", "<", "a <think> b </think>", " <b>bold</b>", " "])
async def test_what_only_resembles_a_thought_stays(
    wire: OpenAIWire, start: Start, context: CallContext, answer: str
) -> None:
    wire.reply, wire.delay = lambda _: list(answer), 0.001

    assert text(await ask(await start(base_url=wire.url), context)) == answer


async def test_separate_thoughts_are_left_out(wire: OpenAIWire, start: Start, context: CallContext) -> None:
    wire.thoughts = "let me see"

    assert text(await ask(await start(base_url=wire.url), context)) == "one two three"
