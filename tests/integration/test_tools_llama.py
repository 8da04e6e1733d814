"""A round of tools with the model that comes with ORBIT, as the ``openai`` package makes it."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import openai
import pytest

from orbit.testing import serve

TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": "opening_hours",
            "description": "Tells when a library opens.",
            "parameters": {
                "type": "object",
                "properties": {"town": {"enum": ["Bonn", "Ulm"]}, "day": {"enum": ["Saturday", "Sunday"]}},
                "required": ["town", "day"],
            },
        },
    }
]
QUESTION: Any = {"role": "user", "content": "When does the library in Ulm open on Sunday?"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    model = {"n_ctx": 2048, "parallel": 2, "temperature": 0.0, "max_tokens": 64, "n_threads": 1}
    config = {"llama_cpp": model, "shelf": {"texts": ["The library in Bonn opens at nine."]}, "diary": {}}
    with serve(config, tmp_path_factory.mktemp("served")) as running:
        yield running


@pytest.fixture
def client(server: Any) -> Iterator[Any]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.key, max_retries=0) as api:
        yield api


@pytest.mark.parametrize("stream", [True, False])
def test_a_round_of_tools(server: Any, client: Any, *, stream: bool) -> None:
    asked: Any = {"model": "orbit", "messages": [QUESTION], "tools": TOOLS, "tool_choice": "required"}
    if stream:
        with client.chat.completions.stream(**asked) as events:
            choice = events.get_final_completion().choices[0]
    else:
        choice = client.chat.completions.create(**asked).choices[0]
    message: Any = choice.message
    assert choice.finish_reason == "tool_calls"
    (call,) = message.tool_calls
    arguments = json.loads(call.function.arguments)
    assert call.function.name == "opening_hours"
    assert (arguments["town"] in ("Bonn", "Ulm"), arguments["day"] in ("Saturday", "Sunday")) == (True, True)

    result = {"role": "tool", "tool_call_id": call.id, "content": "It opens at eleven."}
    said = {"role": "assistant", "content": None, "tool_calls": [call.model_dump(exclude_none=True)]}
    talk: Any = {"model": "orbit", "messages": [QUESTION, said, result], "tools": TOOLS}
    if stream:
        chunks = client.chat.completions.create(**talk, stream=True)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    else:
        text = client.chat.completions.create(**talk).choices[0].message.content or ""
    record = server.provider("diary").records[-1]
    assert text.strip() or record.tool_calls
    assert [source.id for source in record.sources] == ["shelf-0"]  # those of the question


FUNCTION: Any = TOOLS[0]["function"]
ASKED = [{"role": "user", "content": QUESTION["content"]}]
Round = tuple[str, dict[str, Any]]
"""What a wire calls a call's arguments, and the request that brings the call's result."""


def own(answer: Any) -> Round:
    (call,) = answer["tool_calls"]
    rounds = [{"tool_calls": [call], "results": [{"id": call["id"], "result": "At eleven."}]}]
    return call["arguments"], {"rounds": rounds, "tool_choice": "auto"}


def responses(answer: Any) -> Round:
    (call,) = [item for item in answer["output"] if item["type"] == "function_call"]
    result = {"type": "function_call_output", "call_id": call["call_id"], "output": "At eleven."}
    return call["arguments"], {"input": [*ASKED, *answer["output"], result], "tool_choice": "auto"}


def messages(answer: Any) -> Round:
    (call,) = [block for block in answer["content"] if block["type"] == "tool_use"]
    result = {"type": "tool_result", "tool_use_id": call["id"], "content": "At eleven."}
    turns = [*ASKED, {"role": "assistant", "content": answer["content"]}, {"role": "user", "content": [result]}]
    return json.dumps(call["input"]), {"messages": turns, "tool_choice": {"type": "auto"}}


FLAT = {"type": "function", "name": FUNCTION["name"], "parameters": FUNCTION["parameters"]}
WIRES: dict[str, tuple[dict[str, Any], Callable[[Any], Round]]] = {
    "/chat": ({"message": QUESTION["content"], "tools": [FLAT], "tool_choice": "required", "stream": False}, own),
    "/v1/responses": ({"model": "orbit", "input": ASKED, "tools": [FLAT], "tool_choice": "required"}, responses),
    "/v1/messages": (
        {
            "model": "orbit",
            "max_tokens": 64,
            "messages": ASKED,
            "tools": [{"name": FUNCTION["name"], "input_schema": FUNCTION["parameters"]}],
            "tool_choice": {"type": "any"},
        },
        messages,
    ),
}


@pytest.mark.parametrize("path", WIRES)
def test_a_round_of_tools_on_the_other_wires(server: Any, path: str) -> None:
    headers = {"X-API-Key": server.key}
    asked, go_on = WIRES[path]
    first = httpx.post(f"{server.url}{path}", json=asked, headers=headers, timeout=120)
    assert first.status_code == 200, first.text
    arguments, more = go_on(first.json())
    assert set(json.loads(arguments)) == {"town", "day"}
    last = httpx.post(f"{server.url}{path}", json={**asked, **more}, headers=headers, timeout=120)
    assert last.status_code == 200, last.text
    record = server.provider("diary").records[-1]
    assert record.response.strip() or record.tool_calls
    assert [source.id for source in record.sources] == ["shelf-0"]  # those of the question


def test_images_are_refused_by_name(client: Any) -> None:
    pixel = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="
    content: Any = [{"type": "image_url", "image_url": {"url": pixel}}]
    with pytest.raises(openai.BadRequestError, match="does not support images") as raised:
        client.chat.completions.create(model="orbit", messages=[{"role": "user", "content": content}])
    assert raised.value.param == "messages"


def test_a_schema_that_no_grammar_expresses_is_refused_by_name(client: Any) -> None:
    bad: Any = {"type": "object", "properties": {"x": {"$ref": "#/nowhere"}}}
    tools: Any = [{"type": "function", "function": {"name": "f", "parameters": bad}}]
    form: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": bad}}
    for param, options in (("tools", {"tools": tools}), ("response_format", {"response_format": form})):
        with pytest.raises(openai.BadRequestError) as raised:
            client.chat.completions.create(model="orbit", messages=[QUESTION], **options)
        assert raised.value.param == param


def test_what_open_webui_sends_by_default_is_answered(client: Any) -> None:
    body: dict[str, Any] = {
        "chat_id": "local",
        "session_id": "abc",
        "metadata": {"features": {"web_search": False}},
        "features": {"image_generation": False, "memory": True},
        "tool_ids": [],
        "tool_servers": [],
        "variables": {"{{USER_NAME}}": "Ann"},
        "model_item": {"id": "orbit"},
        "background_tasks": {"title_generation": True},
        "params": {},
        "files": None,
    }
    answer: Any = client.chat.completions.create(
        model="orbit",
        messages=[QUESTION],
        tools=TOOLS,
        stream=True,
        stream_options={"include_usage": True},
        extra_body=body,
    )
    chunks = list(answer)
    assert chunks[-1].usage.completion_tokens > 0
    assert {choice.finish_reason for chunk in chunks for choice in chunk.choices} - {None} <= {
        "stop",
        "length",
        "tool_calls",
    }
