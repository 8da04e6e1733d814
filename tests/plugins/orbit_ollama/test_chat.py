"""Answers: what arrives, what is asked, and that stopping stops."""

from __future__ import annotations

from typing import Any

import pytest
from ollama_kit import QUESTION, Served, Start, ask, text
from ollama_wire import OllamaWire

from orbit import CallContext, GenerateOptions, Message, Usage


async def test_an_answer_arrives_with_its_usage(served: Served, context: CallContext) -> None:
    chunks = await ask(served.provider, context)

    assert text(chunks).strip()
    assert chunks[-1].finish_reason in ("stop", "length")
    assert all(chunk.finish_reason is None for chunk in chunks[:-1])
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens > 0
    if not served.real:
        assert text(chunks) == "one two three"
        assert chunks[-1].usage == Usage(3, 3)


async def test_max_tokens_ends_with_length(served: Served, context: CallContext) -> None:
    chunks = await ask(served.provider, context, options=GenerateOptions(max_tokens=2))

    assert chunks[-1].finish_reason == "length"


async def test_characters_survive(wire: OllamaWire, start: Start, context: CallContext) -> None:
    wire.reply = lambda _: ["Grüße ", "日本語", " 👩‍👩‍👧", '\n"x"\\', "\u2028"]
    provider = await start(base_url=wire.url)

    assert text(await ask(provider, context)) == 'Grüße 日本語 👩‍👩‍👧\n"x"\\\u2028'


async def test_pieces_come_as_the_model_writes_them(wire: OllamaWire, start: Start, context: CallContext) -> None:
    wire.delay = 0.02
    provider = await start(base_url=wire.url)

    assert [chunk.text for chunk in await ask(provider, context)] == ["one", " two", " three", ""]


async def test_not_streamed_is_one_piece(wire: OllamaWire, start: Start, context: CallContext) -> None:
    provider = await start(base_url=wire.url, stream=False)

    chunks = await ask(provider, context)

    assert [(chunk.text, chunk.finish_reason) for chunk in chunks] == [("one two three", "stop")]
    assert wire.asked()[0]["stream"] is False


async def test_what_nobody_wants_in_pieces_is_fetched_whole_from_a_fast_server(
    wire: OllamaWire, start: Start, context: CallContext
) -> None:
    provider = await start(base_url=wire.url)
    whole = GenerateOptions(stream=False)

    answers = [await ask(provider, context, options=whole) for _ in range(2)]
    provider._took(6.0)
    answers.append(await ask(provider, context, options=whole))

    assert [body["stream"] for body in wire.asked()] == [True, False, True]
    assert {text(chunks) for chunks in answers} == {"one two three"}


async def test_settings_and_request_become_options(wire: OllamaWire, start: Start, context: CallContext) -> None:
    provider = await start(
        base_url=wire.url,
        temperature=0.1,
        top_p=0.8,
        top_k=20,
        repeat_penalty=1.1,
        num_predict=100,
        num_ctx=2048,
        num_threads=3,
        keep_alive="10m",
        think=False,
    )

    await ask(provider, context)
    penalties: dict[str, Any] = {"presence_penalty": 0.5, "frequency_penalty": 0.25}
    options = GenerateOptions(temperature=0, seed=7, min_p=0.05, stop=("\n",), max_tokens=5, **penalties)
    await ask(provider, context, options=options)

    first, second = wire.asked()
    assert first["options"] == {
        "temperature": 0.1,
        "top_p": 0.8,
        "top_k": 20,
        "repeat_penalty": 1.1,
        "num_predict": 100,
        "num_ctx": 2048,
        "num_thread": 3,
    }
    assert second["options"] == first["options"] | {
        "temperature": 0,
        "seed": 7,
        "min_p": 0.05,
        "stop": ["\n"],
        "num_predict": 5,
        **penalties,
    }
    assert (first["keep_alive"], first["think"], first["truncate"], first["shift"]) == ("10m", False, False, False)
    assert "format" not in first


async def test_an_answer_has_a_limit_if_nobody_sets_one(wire: OllamaWire, start: Start, context: CallContext) -> None:
    provider = await start(base_url=wire.url, num_ctx=2048)
    await ask(provider, context)
    assert wire.asked()[0]["options"]["num_predict"] == 2048


async def test_the_model_is_loaded_once(wire: OllamaWire, start: Start, context: CallContext) -> None:
    provider = await start(base_url=wire.url, embed_model="llama3.2")

    await ask(provider, context)
    await ask(provider, context, options=GenerateOptions(temperature=1.5, max_tokens=3, seed=1))
    await provider.embed(["a text"], "document", context)
    await provider.embed(["a text"], "query", context)

    assert wire.loads == [("llama3.2:latest", {"num_ctx": 4096})]


async def test_a_request_may_name_another_model_and_a_form(
    wire: OllamaWire, start: Start, context: CallContext
) -> None:
    wire.models = [*wire.models, "judge:12b"]
    provider = await start(base_url=wire.url)

    await ask(provider, context, options=GenerateOptions(model="judge:12b", json_schema={"type": "integer"}))

    assert wire.asked()[0]["model"] == "judge:12b"
    assert wire.asked()[0]["format"] == {"type": "integer"}


async def test_the_default_system_prompt_yields_to_a_given_one(
    wire: OllamaWire, start: Start, context: CallContext
) -> None:
    provider = await start(base_url=wire.url, default_system_prompt="Be brief.")

    await ask(provider, context)
    await ask(provider, context, (Message("system", "Be long."), *QUESTION))

    prompts = [body["messages"][0]["content"] for body in wire.asked()]
    assert prompts == ["Be brief.", "Be long."]


async def test_headers_open_a_protected_server(start: Start, context: CallContext) -> None:
    async with OllamaWire(require_header=("Authorization", "Bearer secret")) as wire:
        provider = await start(base_url=wire.url, headers={"Authorization": "Bearer secret"})

        assert text(await ask(provider, context)) == "one two three"


@pytest.mark.parametrize(
    "pieces",
    [
        ["<think>", "hmm", "</think>", "\n\n", "the answer"],
        ["\n<thi", "nk>hm", "m</th", "ink>", "the", " answer"],
        ["<think></think>the answer"],
    ],
)
async def test_thoughts_in_tags_are_left_out(
    wire: OllamaWire, start: Start, context: CallContext, pieces: list[str]
) -> None:
    wire.reply, wire.delay = lambda _: pieces, 0.001
    provider = await start(base_url=wire.url)

    assert text(await ask(provider, context)) == "the answer"


@pytest.mark.parametrize("answer", ["<thinner than air", "<", "a <think> b </think>", " <b>bold</b>"])
async def test_what_only_resembles_a_thought_stays(
    wire: OllamaWire, start: Start, context: CallContext, answer: str
) -> None:
    wire.reply, wire.delay = lambda _: list(answer), 0.001
    provider = await start(base_url=wire.url)

    assert text(await ask(provider, context)) == answer


async def test_separate_thoughts_are_left_out(start: Start, context: CallContext) -> None:
    async with OllamaWire(thinking_models=("llama3.2:latest",), thoughts="let me see") as wire:
        provider = await start(base_url=wire.url, think=True)

        assert text(await ask(provider, context)) == "one two three"
        assert wire.asked()[0]["think"] is True
