"""Whole turns: Anthropic's package asks an ORBIT, which asks another ORBIT, which asks the stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import pytest
from anthropic_kit import served_wire
from anthropic_wire import AnthropicWire, Fault

from orbit.testing import RunningServer, serve

HELLO: list[Any] = [{"role": "user", "content": "one two three"}]
WEATHER: dict[str, Any] = {"name": "weather", "input_schema": {"type": "object", "properties": {}}}
Chain = tuple[AnthropicWire, RunningServer, RunningServer]


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """The stand-in, an ORBIT on it, and an ORBIT on that."""
    quick: dict[str, Any] = {"max_retries": 1, "retry_delay": 0.01}
    with served_wire(signature="signed", window=500) as wire:
        inner = {"anthropic": {"base_url": wire.url, "model": "claude", "thinking": "budget", **quick}}
        with serve(inner, tmp_path_factory.mktemp("inner")) as behind:
            section = {"base_url": behind.url, "api_key": behind.key, "model": "claude", **quick}
            with serve({"anthropic": section}, tmp_path_factory.mktemp("outer")) as front:
                yield wire, behind, front


@pytest.fixture(autouse=True)
def fresh(chain: Chain) -> None:
    wire = chain[0]
    wire.faults.clear()
    wire.requests.clear()
    wire.calls, wire.thoughts = (), ""


def ask(server: RunningServer, messages: Any = HELLO, **options: Any) -> Any:
    with (
        anthropic.Anthropic(base_url=server.url, api_key=server.key, max_retries=0) as api,
        api.messages.stream(model="claude", max_tokens=100, messages=messages, **options) as stream,
    ):
        return stream.get_final_message()


def test_an_answer_through_two_servers(chain: Chain) -> None:
    wire, _, front = chain
    message = ask(front, system="Be brief.", stop_sequences=["three"])
    assert message.content[0].text.strip() == "one two"
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "three")
    assert message.usage.input_tokens > 0
    (body,) = wire.asked()
    assert body["system"].endswith("Be brief.")


def test_a_round_of_tools_with_signed_thoughts(chain: Chain) -> None:
    wire, _, front = chain
    wire.calls, wire.thoughts = [("weather", '{"town": "Bonn"}')], "hm"
    thinking = {"type": "enabled", "budget_tokens": 2000}
    called = ask(front, tools=[WEATHER], thinking=thinking)
    thought, use = called.content
    assert (thought.thinking, thought.signature, use.input) == ("hm", "signed", {"town": "Bonn"})
    result = {"type": "tool_result", "tool_use_id": use.id, "content": "Rain."}
    turns = [*HELLO, {"role": "assistant", "content": called.content}, {"role": "user", "content": [result]}]
    assert ask(front, turns, tools=[WEATHER], thinking=thinking).content[-1].text == "Rain."
    first, second = wire.asked()
    assert first["thinking"]["type"] == second["thinking"]["type"] == "enabled"
    assert second["messages"][1]["content"][0] == {"type": "thinking", "thinking": "hm", "signature": "signed"}


def test_a_client_of_openai_gets_the_thoughts_and_orbit_brings_them_back(chain: Chain) -> None:
    wire, behind, _ = chain
    wire.calls, wire.thoughts = [("weather", "{}")], "hm"
    function = {"type": "function", "function": {"name": "weather"}}
    body: dict[str, Any] = {"model": "claude", "messages": HELLO, "tools": [function], "reasoning_effort": "low"}
    headers = {"Authorization": f"Bearer {behind.key}"}
    url = f"{behind.url}/v1/chat/completions"
    message = httpx.post(url, json=body, headers=headers, timeout=30).json()["choices"][0]["message"]
    assert message["reasoning_content"] == "hm"
    result = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "Rain."}
    body["messages"] = [*HELLO, message, result]
    replied = httpx.post(url, json=body, headers=headers, timeout=30).json()
    assert replied["choices"][0]["message"]["content"] == "Rain."
    assert wire.asked()[-1]["messages"][1]["content"][0]["signature"] == "signed"


@pytest.mark.parametrize(
    ("fault", "error", "kind"),
    [
        (Fault("status", status=529, error="Overloaded"), anthropic.OverloadedError, "overloaded_error"),
        (Fault("status", status=500, error="Oh"), anthropic.InternalServerError, "api_error"),
        (Fault("status", status=401, error="invalid x-api-key"), anthropic.InternalServerError, "api_error"),
        (Fault("status", status=400, error="prompt is too long"), anthropic.BadRequestError, "invalid_request_error"),
    ],
    ids=["overloaded", "failed", "key", "long"],
)
def test_errors_through_two_servers(chain: Chain, fault: Fault, error: Any, kind: str) -> None:
    wire, _, front = chain
    wire.faults.extend([fault] * 20)
    with pytest.raises(error) as raised:
        ask(front)
    assert raised.value.type == kind
    assert "Overloaded" not in str(raised.value)  # what an upstream says is for operators
    assert len(wire.asked()) == (2 if kind == "overloaded_error" else 1)  # the server in front does not retry again


def test_an_answer_that_breaks_is_an_error(chain: Chain) -> None:
    wire, _, front = chain
    wire.faults.append(Fault("die", after=2))
    with pytest.raises(anthropic.APIStatusError) as raised:
        ask(front)
    assert raised.value.type == "api_error"
    assert len(wire.asked()) == 1


def test_what_the_model_behind_another_orbit_can(chain: Chain) -> None:
    _, _, front = chain
    model, *_ = front.call(front.provider("anthropic").models())
    assert model.window == 200_000
    assert model.supports == {"tools", "images", "files", "reasoning", "json_schema", "continue"}


def test_a_prompt_beyond_the_window_is_refused_before_it_is_asked(chain: Chain) -> None:
    wire, _, front = chain
    with anthropic.Anthropic(base_url=front.url, api_key=front.key, max_retries=0) as api:
        counted = api.messages.count_tokens(model="claude", messages=HELLO).input_tokens
    assert counted > 3
    assert not wire.asked()
