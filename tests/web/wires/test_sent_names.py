"""An error names the field that the client sent, whatever the plugin API calls it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import httpx
import pytest

import orbit
from orbit.testing import RunningServer, serve

CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "Rain."}
SCHEMA: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": {}}
USE = {"type": "tool_use", "id": "call_1", "name": "weather", "input": {}}
BUDGET = {"type": "enabled", "budget_tokens": 2000}


class Picky(orbit.Provider):
    """Refuses the option that the question names, before its first word or after it."""

    ORBIT_API = 2

    @orbit.hookimpl
    async def models(self) -> Sequence[orbit.Model]:
        return [orbit.Model("picky", supports=frozenset({"tools", "reasoning", "json_schema", "logprobs"}))]

    @orbit.hookimpl
    async def generate(self, messages: Sequence[orbit.Message]) -> AsyncIterator[orbit.Chunk]:
        option, _, when = messages[-1].content.partition(" ")
        if when == "late":
            yield orbit.Chunk("Well, ")
        sentence = f"The model does not take '{option}'."
        raise orbit.ProviderError("no.", kind="rejected", option=option, client=sentence)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    config: dict[str, Any] = {
        "picky": {},
        "script": {},
        "models": {"default": "picky", "picky": {"provider": "picky"}, "text": {"provider": "script"}},
    }
    with serve(config, tmp_path_factory.mktemp("names"), {"picky": Picky}) as running:
        yield running


def asked(path: str, text: str) -> dict[str, Any]:
    """The smallest request of a protocol."""
    turns = [{"role": "user", "content": text}]
    bodies: dict[str, dict[str, Any]] = {
        "/chat": {"message": text},
        "/v1/completions": {"prompt": text},
        "/v1/responses": {"input": text},
        "/v1/messages": {"messages": turns, "max_tokens": 50},
    }
    return bodies.get(path, {"messages": turns})


def param_of(body: Any) -> Any:
    error = body.get("error", body)
    return error["details"]["param"] if "details" in error else error.get("param")


def post(server: RunningServer, path: str, body: dict[str, Any]) -> httpx.Response:
    headers = {"X-API-Key": server.key, "Authorization": f"Bearer {server.key}"}
    return httpx.post(f"{server.url}{path}", json=body, headers=headers, timeout=60)


COMPLETIONS, RESPONSES, MESSAGES, TEXT = "/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/completions"
REFUSED: list[tuple[str, str, dict[str, Any], str]] = [
    (COMPLETIONS, "max_tokens", {"max_tokens": 5}, "max_tokens"),
    (COMPLETIONS, "max_tokens", {"max_completion_tokens": 5}, "max_completion_tokens"),
    (COMPLETIONS, "repeat_penalty", {"repeat_penalty": 1.1}, "repeat_penalty"),
    (COMPLETIONS, "repeat_penalty", {"repetition_penalty": 1.1}, "repetition_penalty"),
    (COMPLETIONS, "json_schema", {"response_format": {"type": "json_object"}}, "response_format"),
    (COMPLETIONS, "stop", {"stop": "x"}, "stop"),
    (COMPLETIONS, "tool_choice", {}, "tool_choice"),
    (RESPONSES, "max_tokens", {"max_output_tokens": 50}, "max_output_tokens"),
    (RESPONSES, "json_schema", {"text": {"format": {"type": "json_object"}}}, "text.format"),
    (RESPONSES, "messages", {}, "input"),
    (RESPONSES, "reasoning_effort", {"reasoning": {"effort": "low"}}, "reasoning.effort"),
    (MESSAGES, "max_tokens", {}, "max_tokens"),
    (MESSAGES, "stop", {"stop_sequences": ["x"]}, "stop_sequences"),
    (MESSAGES, "json_schema", {"output_format": {"type": "json_schema", "schema": SCHEMA}}, "output_format"),
    (
        *(MESSAGES, "json_schema"),
        {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
        "output_config.format",
    ),
    (MESSAGES, "reasoning_effort", {"thinking": BUDGET}, "thinking"),
    (MESSAGES, "reasoning_effort", {"output_config": {"effort": "low"}}, "output_config.effort"),
    (TEXT, "max_tokens", {"max_tokens": 5}, "max_tokens"),
    (TEXT, "messages", {}, "prompt"),
    ("/chat", "messages", {}, "parts"),
]


@pytest.mark.parametrize("when", ["", " late"])
@pytest.mark.parametrize(("path", "option", "fields", "param"), REFUSED)
def test_what_a_provider_refuses_has_the_name_that_was_sent(
    server: RunningServer, path: str, option: str, fields: dict[str, Any], param: str, when: str
) -> None:
    body = {**asked(path, option + when), "model": "picky", **fields}
    answer = post(server, path, {**body, "stream": False})
    assert (answer.status_code, param_of(answer.json())) == (400, param)
    assert f"The model does not take '{param}'." in answer.text
    if when and path != RESPONSES:  # OpenAI's event of an error has no place for the name after the first byte
        lines = post(server, path, {**body, "stream": True}).text.splitlines()
        frames = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
        assert param_of(frames[-1]) == param


LACKING: list[tuple[str, dict[str, Any], str]] = [
    (COMPLETIONS, {"reasoning_effort": "high"}, "reasoning_effort"),
    (COMPLETIONS, {"reasoning": {"effort": "high"}}, "reasoning.effort"),
    (COMPLETIONS, {"logprobs": True}, "logprobs"),
    (COMPLETIONS, {"messages": [{"role": "assistant", "tool_calls": [CALL]}, RESULT]}, "messages"),
    (RESPONSES, {"reasoning": {"effort": "high"}}, "reasoning.effort"),
    (RESPONSES, {"top_logprobs": 2}, "top_logprobs"),
    (RESPONSES, {"include": ["message.output_text.logprobs"]}, "include"),
    (
        RESPONSES,
        {
            "input": [
                {"role": "user", "content": "Rain?"},
                {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "call_1", "output": "Rain."},
            ]
        },
        "input",
    ),
    (MESSAGES, {"thinking": BUDGET}, "thinking"),
    (MESSAGES, {"output_config": {"effort": "max"}}, "output_config.effort"),
    (
        MESSAGES,
        {
            "messages": [
                {"role": "user", "content": "Rain?"},
                {"role": "assistant", "content": [USE]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "Rain."}]},
            ]
        },
        "messages",
    ),
    (TEXT, {"logprobs": 1}, "logprobs"),
]


@pytest.mark.parametrize(("path", "fields", "param"), LACKING)
def test_what_a_model_lacks_has_the_name_that_was_sent(
    server: RunningServer, path: str, fields: dict[str, Any], param: str
) -> None:
    body = {**asked(path, "Rain?"), "model": "text", **fields}
    if path == COMPLETIONS and "messages" in fields:
        body["messages"] = [{"role": "user", "content": "Rain?"}, *fields["messages"]]
    answer = post(server, path, {**body, "stream": False})
    assert answer.status_code == 400, answer.text
    assert param_of(answer.json()) == param, answer.text
