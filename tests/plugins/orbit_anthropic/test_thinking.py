"""Thinking: its forms, what excludes it, and the signatures that go back with the calls of tools."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic_kit import QUESTION, Start, ask, text
from anthropic_wire import AnthropicWire
from orbit_anthropic.thoughts import KeptThoughts
from wire_kit import TOOLS, WEATHER

from orbit import CallContext, Chunk, GenerateOptions, Message, ProviderError, Thought, ToolCall, ToolChoice

YES, NO = {"supported": True}, {"supported": False}
ADAPTIVE: dict[str, Any] = {
    "image_input": YES,
    "pdf_input": NO,
    "structured_outputs": NO,
    "effort": {"supported": True, "low": YES, "medium": YES, "high": YES, "xhigh": NO, "max": YES},
    "thinking": {"supported": True, "types": {"adaptive": YES, "enabled": NO, "disabled": YES}},
}
BUDGET: dict[str, Any] = {
    "effort": {"supported": False},
    "thinking": {"supported": True, "types": {"adaptive": NO, "enabled": YES, "disabled": YES}},
}
SHOWN = {"type": "adaptive", "display": "summarized"}


def thoughts(chunks: list[Chunk]) -> str:
    return "".join(chunk.reasoning for chunk in chunks)


@pytest.mark.parametrize(
    ("capabilities", "settings", "effort", "expected"),
    [
        (ADAPTIVE, {}, None, {}),
        (ADAPTIVE, {"think": True}, None, {"thinking": SHOWN}),
        (ADAPTIVE, {"think": "low"}, None, {"thinking": SHOWN, "output_config": {"effort": "low"}}),
        (ADAPTIVE, {"think": False}, None, {"thinking": {"type": "disabled"}}),
        (ADAPTIVE, {"think": True}, "none", {"thinking": {"type": "disabled"}}),
        (ADAPTIVE, {}, "minimal", {"thinking": SHOWN, "output_config": {"effort": "low"}}),
        (ADAPTIVE, {}, "xhigh", {"thinking": SHOWN, "output_config": {"effort": "high"}}),
        ({}, {}, "xhigh", {"thinking": SHOWN, "output_config": {"effort": "xhigh"}}),
        ({}, {"thinking": "budget"}, "low", {"thinking": {"type": "enabled", "budget_tokens": 2048}}),
        (BUDGET, {}, "medium", {"thinking": {"type": "enabled", "budget_tokens": 8192}}),
        (BUDGET, {"think": True}, None, {"thinking": {"type": "enabled", "budget_tokens": 8192}}),
        (BUDGET, {"max_tokens": 60_000}, "high", {"thinking": {"type": "enabled", "budget_tokens": 4000}}),
    ],
)
async def test_the_form_of_thinking(
    start: Start,
    context: CallContext,
    capabilities: dict[str, Any],
    settings: dict[str, Any],
    effort: str | None,
    expected: dict[str, Any],
) -> None:
    async with AnthropicWire(capabilities=capabilities, window=100_000) as wire:
        provider = await start(base_url=wire.url, **settings)
        await ask(provider, context, options=GenerateOptions(reasoning_effort=effort))
        (body,) = wire.asked()
    assert {name: body[name] for name in ("thinking", "output_config") if name in body} == expected
    budget = expected.get("thinking", {}).get("budget_tokens", 0)
    assert body["max_tokens"] == settings.get("max_tokens", 4096) + budget


@pytest.mark.parametrize(("takes", "thinking"), [(["adaptive"], "budget"), (["enabled"], "adaptive")])
async def test_a_form_that_the_server_refuses_is_changed_and_remembered(
    start: Start, context: CallContext, takes: list[str], thinking: str
) -> None:
    async with AnthropicWire(takes=takes, thoughts="hm", signature="signed") as wire:
        provider = await start(base_url=wire.url, think=True, thinking=thinking)
        for _ in range(2):
            assert thoughts(await ask(provider, context)) == "hm"
        assert [body["thinking"]["type"] for body in wire.asked()[1:]] == takes * 2


async def test_a_model_that_takes_no_thinking_at_all(start: Start, context: CallContext) -> None:
    async with AnthropicWire(takes=["none"]) as wire:
        with pytest.raises(ProviderError) as raised:
            await ask(await start(base_url=wire.url), context, options=GenerateOptions(reasoning_effort="high"))
        assert len(wire.asked()) == 2
    assert (raised.value.kind, raised.value.option) == ("rejected", "reasoning_effort")


async def test_what_excludes_thinking(wire: AnthropicWire, start: Start, context: CallContext) -> None:
    provider = await start(base_url=wire.url, think=True, temperature=0.2, top_k=3)
    forced = GenerateOptions(tools=(WEATHER,), tool_choice=ToolChoice("required"))
    for options in (GenerateOptions(), GenerateOptions(temperature=0.5), forced):
        await ask(provider, context, options=options)
    usual, warm, tool = wire.asked()
    assert usual["thinking"] == SHOWN
    assert not usual.keys() & {"temperature", "top_k"}
    assert (warm["thinking"], warm["temperature"]) == ({"type": "disabled"}, 0.5)
    assert tool["thinking"] == {"type": "disabled"}
    for name, value in (("temperature", 0.5), ("top_p", 0.5), ("top_k", 5)):
        options = GenerateOptions(reasoning_effort="low", strict=True, **{name: value})  # type: ignore[arg-type]  # one of the three
        with pytest.raises(ProviderError) as raised:
            await ask(provider, context, options=options)
        assert (raised.value.kind, raised.value.option) == ("rejected", name)
    await ask(provider, context, options=GenerateOptions(reasoning_effort="low", strict=True, top_p=0.97))
    assert wire.asked()[-1]["top_p"] == 0.97


@pytest.mark.parametrize("form", ["adaptive", "budget"])
@pytest.mark.parametrize("streams", [True, False])
async def test_signatures_go_back_with_the_calls(
    start: Start, context: CallContext, form: str, *, streams: bool
) -> None:
    async with AnthropicWire(
        calls=[("weather", "{}")], thoughts="a b", signature="signed", redacted="secret", streams=streams
    ) as wire:
        provider = await start(base_url=wire.url, think=True, thinking=form)
        chunks = await ask(provider, context, options=TOOLS)
        calls = chunks[-1].tool_calls
        kept = (*QUESTION, Message("assistant", "", tool_calls=calls), Message("tool", "Rain.", tool_call_id="toolu_0"))
        sent = Message("assistant", "", tool_calls=calls, thoughts=(Thought("other", "signed-2"),))
        replies = [await ask(provider, context, talk, TOOLS) for talk in (kept, (kept[0], sent, kept[2]))]
        _, second, third = wire.asked()
    assert thoughts(chunks) == "a b"
    assert [chunk.signature for chunk in chunks if chunk.signature] == ["signed", "redacted:secret"]
    assert [text(reply) for reply in replies] == ["Rain.", "Rain."]
    assert second["messages"][1]["content"][:2] == [
        {"type": "thinking", "thinking": "a b", "signature": "signed"},
        {"type": "redacted_thinking", "data": "secret"},
    ]
    assert third["messages"][1]["content"][0] == {"type": "thinking", "thinking": "other", "signature": "signed-2"}
    assert second["thinking"]["type"] == third["thinking"]["type"] != "disabled"


async def test_thoughts_of_another_key_or_server_are_left_out(start: Start, context: CallContext) -> None:
    async with AnthropicWire(calls=[("weather", "{}")], thoughts="a", signature="signed") as wire:
        provider = await start(base_url=wire.url, think=True, thinking="budget")
        calls = (await ask(provider, context, options=TOOLS))[-1].tool_calls
        result = Message("tool", "Rain.", tool_call_id="toolu_0")
        unsigned = (*QUESTION, Message("assistant", "", tool_calls=calls), result)
        await ask(provider, CallContext("other", key_id="other"), unsigned, TOOLS)
        assert wire.asked()[-1]["thinking"] == {"type": "disabled"}
        foreign = Message("assistant", "", tool_calls=calls, thoughts=(Thought("a", "of another server"),))
        assert text(await ask(provider, context, (*QUESTION, foreign, result), TOOLS)) == "Rain."
        assert wire.asked()[-1]["messages"][1]["content"][0]["type"] == "tool_use"
        await ask(provider, context)
        assert wire.asked()[-1]["thinking"]["type"] == "enabled"  # the next question thinks again


async def test_what_a_model_supports(start: Start) -> None:
    async with AnthropicWire(capabilities=ADAPTIVE, window=5000) as wire:
        (model,) = await (await start(base_url=wire.url)).models()
        (own,) = await (await start(base_url=wire.url, supports=["tools"], context_window=300, max_tokens=9)).models()
    async with AnthropicWire() as wire:
        (unknown,) = await (await start(base_url=wire.url)).models()
    assert (model.name, model.window) == ("claude", 5000)
    assert model.supports == {"tools", "images", "reasoning", "continue"}
    assert own.window == 300
    assert own.supports == {"tools"}
    assert unknown.window == 200_000
    assert unknown.supports == {"tools", "images", "files", "reasoning", "json_schema", "continue"}


def test_kept_thoughts_have_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orbit_anthropic.thoughts._MOST_CHARS", 100)
    kept = KeptThoughts()
    calls = [ToolCall(str(number), "weather", "{}") for number in range(4)]
    for call in calls:
        kept.keep("key", [call], (Thought("x" * 30, "signed"),))
    kept.keep("key", calls[2:3], (Thought("again", "signed"),))
    found = [kept.of("key", [call]) for call in calls]
    assert [bool(thoughts) for thoughts in found] == [False, False, True, True]
    assert found[2] == (Thought("again", "signed"),)
    assert kept.of("other", calls) == ()
    monkeypatch.setattr("orbit_anthropic.thoughts._SECONDS", 0.0)
    assert kept.of("key", calls) == ()
