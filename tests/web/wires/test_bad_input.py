"""The same mistakes on every wire: each is 400 in the wire's own form, and names the place of the mistake."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import gguf_models
import httpx
import pytest
from tools_model import PIXEL, ToolsModel

from orbit.testing import RunningServer, serve

QUESTION = "How is the weather in Bonn?"
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"town": {"type": "string"}}}
NOWHERE: dict[str, Any] = {"type": "object", "properties": {"town": {"$ref": "#/nowhere"}}}
ENDLESS: dict[str, Any] = {"type": "object", "properties": {"town": {"type": "string", "minLength": 400_000}}}
NO_VALUE: dict[str, Any] = {"type": "object", "properties": {"town": {"enum": []}}, "required": ["town"]}
IMAGE = base64.b64encode(PIXEL).decode()
NO_IMAGE = base64.b64encode(b"no image").decode()


class Asked(NamedTuple):
    """What a client asks, whatever the wire."""

    model: str = "full"
    choice: str = ""
    parameters: dict[str, Any] | None = None
    arguments: str = ""
    result: str = ""
    image: str = ""
    address: str = ""
    schema: dict[str, Any] | None = None
    effort: str = ""
    tokens: int = 0


def own(asked: Asked) -> dict[str, Any]:
    body: dict[str, Any] = {"message": QUESTION, "model": asked.model}
    if asked.parameters is not None:
        body["tools"] = [{"name": "weather", "parameters": asked.parameters}]
    if asked.choice:
        body["tool_choice"] = {"name": asked.choice}
    if asked.arguments:
        call = {"id": "call_1", "name": "weather", "arguments": asked.arguments}
        body["rounds"] = [{"tool_calls": [call], "results": [{"id": asked.result, "result": "Rain."}]}]
    if asked.image:
        body["parts"] = [{"type": "image", "data": asked.image}]
    return body


def completions(asked: Asked) -> dict[str, Any]:
    content: list[Any] = [{"type": "text", "text": QUESTION}]
    if url := asked.address or (asked.image and f"data:image/png;base64,{asked.image}"):
        content.append({"type": "image_url", "image_url": {"url": url}})
    messages: list[Any] = [{"role": "user", "content": content}]
    body: dict[str, Any] = {"model": asked.model, "messages": messages}
    if asked.parameters is not None:
        body["tools"] = [{"type": "function", "function": {"name": "weather", "parameters": asked.parameters}}]
    if asked.choice:
        body["tool_choice"] = {"type": "function", "function": {"name": asked.choice}}
    if asked.arguments:
        call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": asked.arguments}}
        messages.append({"role": "assistant", "tool_calls": [call]})
    if asked.result:
        messages.append({"role": "tool", "tool_call_id": asked.result, "content": "Rain."})
    if asked.schema:
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": "x", "schema": asked.schema}}
    if asked.effort:
        body["reasoning_effort"] = asked.effort
    if asked.tokens:
        body["max_tokens"] = asked.tokens
    return body


def responses(asked: Asked) -> dict[str, Any]:
    content: list[Any] = [{"type": "input_text", "text": QUESTION}]
    if url := asked.address or (asked.image and f"data:image/png;base64,{asked.image}"):
        content.append({"type": "input_image", "image_url": url})
    items: list[Any] = [{"role": "user", "content": content}]
    body: dict[str, Any] = {"model": asked.model, "input": items}
    if asked.parameters is not None:
        body["tools"] = [{"type": "function", "name": "weather", "parameters": asked.parameters}]
    if asked.choice:
        body["tool_choice"] = {"type": "function", "name": asked.choice}
    if asked.arguments:
        call = {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": asked.arguments}
        items.append(call)
    if asked.result:
        items.append({"type": "function_call_output", "call_id": asked.result, "output": "Rain."})
    if asked.schema:
        body["text"] = {"format": {"type": "json_schema", "name": "x", "schema": asked.schema}}
    if asked.effort:
        body["reasoning"] = {"effort": asked.effort}
    if asked.tokens:
        body["max_output_tokens"] = asked.tokens
    return body


def messages(asked: Asked) -> dict[str, Any]:
    content: list[Any] = [{"type": "text", "text": QUESTION}]
    if asked.address:
        content.append({"type": "image", "source": {"type": "url", "url": asked.address}})
    if asked.image:
        content.append({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": asked.image}})
    turns: list[Any] = [{"role": "user", "content": content}]
    body: dict[str, Any] = {"model": asked.model, "max_tokens": asked.tokens or 50, "messages": turns}
    if asked.parameters is not None:
        body["tools"] = [{"name": "weather", "input_schema": asked.parameters}]
    if asked.choice:
        body["tool_choice"] = {"type": "tool", "name": asked.choice}
    if asked.arguments:
        use = {
            "type": "tool_use",
            "id": "call_1",
            "name": "weather",
            "input": {} if asked.arguments == "{}" else asked.arguments,
        }
        turns.append({"role": "assistant", "content": [use]})
    if asked.result:
        result = {"type": "tool_result", "tool_use_id": asked.result, "content": "Rain."}
        turns.append({"role": "user", "content": [result]})
    if asked.schema:
        body["output_config"] = {"format": {"type": "json_schema", "schema": asked.schema}}
    if asked.effort:
        body["output_config"] = {"effort": asked.effort}
    return body


Mistake = tuple[str, str]
"""The code and the parameter of an error."""


def problem(body: Any) -> Mistake:
    return body["code"], body.get("param", "")


def openais(body: Any) -> Mistake:
    return body["error"]["code"], body["error"]["param"] or ""


def anthropics(body: Any) -> Mistake:
    assert (body["type"], body["error"]["type"]) in (("error", "invalid_request_error"), ("error", "not_found_error"))
    return body["error"]["details"]["error_code"], body["error"]["details"]["param"] or ""


WIRES: dict[str, tuple[Callable[[Asked], dict[str, Any]], Callable[[Any], Mistake]]] = {
    "/chat": (own, problem),
    "/v1/chat/completions": (completions, openais),
    "/v1/responses": (responses, openais),
    "/v1/messages": (messages, anthropics),
}
CASES: dict[str, tuple[Asked, str, tuple[str, str, str, str]]] = {
    "an unknown tool": (Asked(choice="x", parameters=SCHEMA), "invalid_value", ("tool_choice",) * 4),
    "parameters of no object": (
        Asked(parameters={"type": "string"}),
        "invalid_value",
        ("tools[0].parameters", "tools[0].function.parameters", "tools[0].parameters", "tools.0.input_schema"),
    ),
    "arguments that are no JSON": (
        Asked(arguments="{", result="call_1"),
        "",
        (
            "rounds[0].tool_calls[0].arguments",
            "messages[1].tool_calls[0].function.arguments",
            "input[1].arguments",
            "messages.1.content.0.input",
        ),
    ),
    "a result of another call": (
        Asked(arguments="{}", result="call_9"),
        "invalid_value",
        ("rounds[0].results[0].id", "messages[2].tool_call_id", "input[2].call_id", "messages.2.content.0.tool_use_id"),
    ),
    "an image that is none": (
        Asked(image=NO_IMAGE),
        "invalid_value",
        (
            "parts[0]",
            "messages[0].content[1].image_url",
            "input[0].content[1].image_url",
            "messages.0.content.1.source",
        ),
    ),
    "images that are too large": (
        Asked(image=base64.b64encode(PIXEL + bytes(9000)).decode()),
        "invalid_value",
        ("parts", "messages", "input", "messages"),
    ),
    "an image at a private address": (
        Asked(address="http://127.0.0.1/a.png"),
        "invalid_value",
        ("", "messages[0].content[1].image_url", "input[0].content[1].image_url", "messages.0.content.1.source"),
    ),
    "an image at a name of a private address": (
        Asked(address="http://localhost/a.png"),
        "invalid_value",
        ("", "messages[0].content[1].image_url", "input[0].content[1].image_url", "messages.0.content.1.source"),
    ),
    "a tool for a model of text": (Asked("text", parameters=SCHEMA), "unsupported_by_model", ("tools",) * 4),
    "an image for a model of text": (
        Asked("text", image=IMAGE),
        "unsupported_by_model",
        ("parts", "messages", "input", "messages"),
    ),
    "effort for a model of text": (
        Asked("text", effort="high"),
        "unsupported_by_model",
        ("", "reasoning_effort", "reasoning.effort", "output_config.effort"),
    ),
    "parameters of a tool that lead nowhere": (
        Asked("grammar", parameters=NOWHERE),
        "provider_rejected",
        ("tools",) * 4,
    ),
    "parameters of a tool that no grammar holds": (
        Asked("grammar", parameters=ENDLESS),
        "provider_rejected",
        ("tools",) * 4,
    ),
    "a schema that leads nowhere": (
        Asked("grammar", schema=NOWHERE),
        "provider_rejected",
        ("", "response_format", "text.format", "output_config.format"),
    ),
    "a schema that no grammar holds": (
        Asked("grammar", schema=ENDLESS),
        "provider_rejected",
        ("", "response_format", "text.format", "output_config.format"),
    ),
    "parameters of a tool that llama.cpp cannot parse": (
        Asked("grammar", parameters=NO_VALUE, choice="weather"),
        "provider_rejected",
        ("tools",) * 4,
    ),
    "a schema that llama.cpp cannot parse": (
        Asked("grammar", schema=NO_VALUE),
        "provider_rejected",
        ("", "response_format", "text.format", "output_config.format"),
    ),
    "fewer tokens than an answer takes": (
        Asked("grammar", parameters=SCHEMA, choice="weather", tokens=2),
        "provider_rejected",
        ("", "max_tokens", "max_output_tokens", "max_tokens"),
    ),
    "an unknown model": (Asked("gpt-9"), "model_not_found", ("model",) * 4),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("bad")
    engine = {"model_path": str(gguf_models.write_decoder(folder / "tiny.gguf", "llama")), "n_threads": 1}
    config: dict[str, Any] = {
        "tools_model": {},
        "script": {},
        "llama_cpp": {**engine, "n_ctx": 1024, "max_tokens": 20},
        "general": {"image_hosts": ["*"], "default_system_prompt": "Help.", "pass_parameters": ["passed"]},
        "limits": {"max_attached_bytes": 8000},
        "models": {
            "default": "full",
            "full": {"provider": "tools_model"},
            "text": {"provider": "script"},
            "grammar": {"provider": "llama_cpp"},
        },
    }
    with serve(config, folder / "data", {"tools_model": ToolsModel}) as running:
        yield running


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("path", WIRES)
def test_a_mistake_is_named_in_the_form_of_the_wire(
    server: RunningServer, path: str, case: str, *, stream: bool
) -> None:
    asked, code, places = CASES[case]
    param = dict(zip(WIRES, places, strict=True))[path]
    if not param:
        return  # the wire has no such thing
    make, mistake = WIRES[path]
    body = {**make(asked), "stream": stream}
    headers = {"X-API-Key": server.key, "Authorization": f"Bearer {server.key}"}
    answer = httpx.post(f"{server.url}{path}", json=body, headers=headers, timeout=60)
    assert answer.status_code == (404 if code == "model_not_found" else 400), answer.text
    found = mistake(answer.json())
    assert found == (code or found[0], param), answer.text


HUGE = "1e999"
LIST, OBJECT, NESTED = '["x"]', '{"x": 1}', "[" * 900 + "]" * 900
ODD: list[tuple[str, str, str, str]] = [
    *[("/v1/chat/completions", field, HUGE, field) for field in ("n", "logit_bias", "min_tokens", "grammar", "passed")],
    *[("/v1/completions", field, HUGE, field) for field in ("n", "best_of", "echo", "suffix")],
    *[("/v1/responses", field, HUGE, field) for field in ("n", "background", "moderation")],
    *[("/v1/messages", field, HUGE, field) for field in ("mcp_servers", "container")],
    *[("/v1/chat/completions", "n", odd, "n") for odd in (LIST, OBJECT, NESTED, "-" + HUGE)],
    *[("/v1/responses", "input", f'[{{"type": {odd}}}]', "input[0].type") for odd in (LIST, OBJECT, "null", "5")],
    ("/v1/responses", "input", '[{"role": ["x"], "content": ""}]', "input[0].role"),
    ("/v1/responses", "input", '[{"role": "user", "content": [{"type": 5}]}]', "input[0].content[0].type"),
]
"""Path, field, its JSON, and the parameter that the error names."""


@pytest.mark.parametrize(("path", "field", "value", "param"), ODD)
def test_values_that_no_decoder_expects(server: RunningServer, path: str, field: str, value: str, param: str) -> None:
    asked: Any = {"model": "full", "prompt": QUESTION} if path == "/v1/completions" else WIRES[path][0](Asked())
    body = json.dumps({**asked, field: "@"}).replace('"@"', value)
    headers = {"Authorization": f"Bearer {server.key}", "Content-Type": "application/json"}
    answer = httpx.post(f"{server.url}{path}", content=body, headers=headers, timeout=60)
    assert answer.status_code == 400, answer.text
    mistake = WIRES[path][1] if path in WIRES else openais
    assert mistake(answer.json())[1] == param, answer.text
