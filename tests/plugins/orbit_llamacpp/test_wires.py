"""A round of tools through each wire, on a tiny random model: the engine's grammar keeps even its arguments valid."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import gguf_models
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


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("wires")
    template = (Path(__file__).parent / "tool_templates" / "hermes.jinja").read_text("utf-8")
    path = gguf_models.write_decoder(folder / "tiny.gguf", "llama", template=template)
    engine = {"model_path": str(path), "n_ctx": 1024, "n_threads": 1, "temperature": 0.0, "max_tokens": 100}
    with serve({"llama_cpp": engine}, folder / "data") as running:
        yield running


def check(arguments: Any) -> None:
    assert arguments.keys() == {"town", "days"}
    assert arguments["town"] in ("Bonn", "Ulm")
    assert 1 <= arguments["days"] <= 9


def test_chat_completions(server: RunningServer) -> None:
    asked: dict[str, Any] = {"role": "user", "content": QUESTION}
    tools: Any = [{"type": "function", "function": FUNCTION}]
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.key, max_retries=0) as api:
        talk: Any = api.chat.completions
        message = talk.create(model="orbit", messages=[asked], tools=tools, tool_choice="required").choices[0].message
        (call,) = message.tool_calls
        check(json.loads(call.function.arguments))
        result = {"role": "tool", "tool_call_id": call.id, "content": "Rain."}
        answer = talk.create(model="orbit", messages=[asked, message, result], tools=tools, tool_choice="none")
    assert answer.choices[0].message.content.strip()


@pytest.mark.parametrize("stream", [True, False])
def test_responses(server: RunningServer, *, stream: bool) -> None:
    tools: Any = [{"type": "function", **FUNCTION}]
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.key, max_retries=0) as api:
        asked: Any = {"model": "orbit", "input": QUESTION, "tools": tools, "tool_choice": "required"}
        if stream:
            with api.responses.stream(**asked) as events:
                first: Any = events.until_done().get_final_response()
        else:
            first = api.responses.create(**asked)
        (call,) = first.output
        check(json.loads(call.arguments))
        result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "Rain."}
        options: Any = {"tools": tools, "tool_choice": "none"}
        answer = api.responses.create(model="orbit", input=[result], previous_response_id=first.id, **options)
    assert answer.output_text.strip()


def test_messages(server: RunningServer) -> None:
    asked: Any = {"role": "user", "content": QUESTION}
    tools: Any = [{"name": "weather", "description": FUNCTION["description"], "input_schema": SCHEMA}]
    common: Any = {"model": "orbit", "max_tokens": 100, "tools": tools}
    with anthropic.Anthropic(base_url=server.url, api_key=server.key, max_retries=0) as api:
        first: Any = api.messages.create(messages=[asked], tool_choice={"type": "any"}, **common)
        (call,) = first.content
        check(call.input)
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "Rain."}
        messages: Any = [asked, {"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
        answer: Any = api.messages.create(messages=messages, tool_choice={"type": "none"}, **common)
    assert answer.content[0].text.strip()
