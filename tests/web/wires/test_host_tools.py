"""The tools that the server calls itself, as clients of ``/v1/responses`` and ``/v1/messages`` see them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import openai
import pytest
from host_tools import PLUGINS, calls, says

import orbit
from orbit.testing import RunningServer, serve

QUESTION = "How is the weather?"
ASKED: Any = [{"role": "user", "content": QUESTION}]
TOWN = '{"town": "Bonn"}'


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with serve({"talker": {}, "bench": {}}, tmp_path_factory.mktemp("tools"), PLUGINS) as server:
        yield server


@pytest.fixture
def server(running: RunningServer) -> RunningServer:
    """A server whose model calls two tools, of which one fails, and then answers."""
    talker, bench = running.provider("talker"), running.provider("bench")
    talker.seen, talker.lines = [], [calls("weather", "nothing", text="Let me see."), says("It rains.")]
    bench.acts = {}
    return running


def events(server: RunningServer, path: str, **body: Any) -> list[dict[str, Any]]:
    headers = {"Authorization": f"Bearer {server.key}"}
    text = httpx.post(f"{server.url}{path}", headers=headers, json={"stream": True, **body}, timeout=30).text
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]


def responding(server: RunningServer) -> openai.OpenAI:
    return openai.OpenAI(
        base_url=f"{server.url}/v1", api_key=server.key, max_retries=0, _strict_response_validation=True
    )


def messaging(server: RunningServer) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=server.url, api_key=server.key, max_retries=0)


def test_all_events_of_responses(server: RunningServer) -> None:
    found = events(server, "/v1/responses", model="orbit", input=QUESTION)
    kinds = [event["type"].removeprefix("response.") for event in found]
    begun = ["output_item.added", "mcp_call.in_progress", "mcp_call_arguments.delta", "mcp_call_arguments.done"]
    message = ["output_item.added", "content_part.added", "output_text.delta"]
    done = ["output_text.done", "content_part.done", "output_item.done"]
    assert kinds == [
        *("created", "in_progress", *message, *done, *begun, *begun),
        *("mcp_call.completed", "output_item.done", "mcp_call.failed", "output_item.done"),
        *message,
        *("output_text.delta", *done, "completed"),
    ]
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    assert [(event["output_index"]) for event in found if event["type"] == "response.output_item.done"] == [0, 1, 2, 3]
    output = found[-1]["response"]["output"]
    assert output == [event["item"] for event in found if event["type"] == "response.output_item.done"]
    rain, nothing = output[1:3]
    assert rain == {
        "type": "mcp_call",
        "id": rain["id"],
        "server_label": "orbit",
        "name": "weather",
        "arguments": TOWN,
        "output": "weather: rain",
        "error": None,
        "status": "completed",
    }
    assert nothing["status"] == "failed"
    assert "no tool 'nothing'" in nothing["output"]


@pytest.mark.parametrize("stream", [True, False])
def test_a_response_has_the_calls_and_its_copy_the_same_items(server: RunningServer, *, stream: bool) -> None:
    with responding(server) as api:
        if stream:
            with api.responses.stream(model="orbit", input=QUESTION) as arriving:
                answer: Any = arriving.get_final_response()
        else:
            answer = api.responses.create(model="orbit", input=QUESTION)
        assert [item.type for item in answer.output] == ["message", "mcp_call", "mcp_call", "message"]
        assert (answer.output[1].output, answer.output[1].arguments) == ("weather: rain", TOWN)
        assert answer.output_text == "Let me see.\n\nIt rains."
        stored = api.responses.retrieve(answer.id)
        assert [(item.id, item.type) for item in stored.output] == [(item.id, item.type) for item in answer.output]
        assert stored.output[1:3] == answer.output[1:3]
        last: Any = {"type": "item_reference", "id": answer.output[-1].id}
        asked: Any = {"role": "user", "content": QUESTION}
        api.responses.create(model="orbit", input=[asked, last, asked])
        items: Any = [item.to_dict() for item in stored.output]
        api.responses.create(model="orbit", input=[asked, *items, asked])
    (named, _), (sent, _) = server.provider("talker").seen[-2:]
    assert [message.content.strip() for message in named[1:]] == [QUESTION, "It rains.", QUESTION]
    assert [message.content for message in sent[1:]] == [QUESTION, "Let me see.\n\nIt rains.", QUESTION]


@pytest.mark.parametrize("raised", [True, False])
def test_a_tool_that_fails_gives_nothing_away(server: RunningServer, *, raised: bool) -> None:
    async def fail(call: orbit.ToolCall) -> orbit.ToolResult:
        if raised:
            raise orbit.ProviderError("It broke at 10.0.0.7.", kind="failed")
        return orbit.ToolResult("The call failed: no route to 10.0.0.7", error=True)

    server.provider("bench").acts = {"weather": fail}
    output = events(server, "/v1/responses", model="orbit", input=QUESTION)[-1]["response"]["output"]
    assert (output[1]["status"], output[1]["output"]) == ("failed", "The tool failed.")


def test_arguments_that_are_no_json_do_not_break_clients(server: RunningServer) -> None:
    lines = [calls("weather", arguments='{"town": '), says("No.")]
    server.provider("talker").lines = [*lines, *lines]
    output = events(server, "/v1/responses", model="orbit", input=QUESTION)[-1]["response"]["output"]
    assert [(item["arguments"], item["status"]) for item in output[:1]] == [("{}", "failed")]
    with messaging(server) as client, client.messages.stream(model="orbit", max_tokens=50, messages=ASKED) as arriving:
        assert arriving.get_final_message().content[0].to_dict()["input"] == {}


def test_all_events_of_messages(server: RunningServer) -> None:
    asked = [{"role": "user", "content": QUESTION}]
    found = events(server, "/v1/messages", model="orbit", max_tokens=50, messages=asked)
    blocks = [event["content_block"] for event in found if event["type"] == "content_block_start"]
    rain = {"type": "mcp_tool_use", "id": "weather-0", "name": "weather", "server_name": "orbit"}
    result = {"type": "mcp_tool_result", "tool_use_id": "weather-0", "is_error": False}
    assert blocks[1] == {**rain, "input": {"town": "Bonn"}}
    assert blocks[3] == {**result, "content": [{"type": "text", "text": "weather: rain", "citations": None}]}
    assert [(block["type"], block.get("is_error")) for block in blocks] == [
        ("text", None),
        *[("mcp_tool_use", None)] * 2,
        *[("mcp_tool_result", failed) for failed in (False, True)],
        ("text", None),
    ]
    stops = [event["index"] for event in found if event["type"] == "content_block_stop"]
    assert stops == list(range(len(blocks)))


@pytest.mark.parametrize("beta", [True, False])
@pytest.mark.parametrize("stream", [True, False])
def test_messages_have_the_calls_and_go_on(server: RunningServer, *, stream: bool, beta: bool) -> None:
    asked: Any = {"model": "orbit", "max_tokens": 50, "messages": [{"role": "user", "content": QUESTION}]}
    with messaging(server) as client:
        api: Any = client.beta.messages if beta else client.messages
        if stream:
            with api.stream(**asked) as arriving:
                answer = arriving.get_final_message()
        else:
            answer = api.create(**asked)
        kinds = [block.type for block in answer.content]
        assert kinds == ["text", "mcp_tool_use", "mcp_tool_use", "mcp_tool_result", "mcp_tool_result", "text"]
        assert answer.content[1].to_dict()["input"] == {"town": "Bonn"}
        assert answer.content[3].to_dict()["content"][0]["text"] == "weather: rain"
        assert answer.content[5].text == "\n\nIt rains."
        later = [*asked["messages"], {"role": "assistant", "content": [block.to_dict() for block in answer.content]}]
        api.create(**{**asked, "messages": [*later, {"role": "user", "content": "Sure?"}]})
    said = [message.content for message in server.provider("talker").seen[-1][0][1:]]
    assert said == [QUESTION, "Let me see.\n\nIt rains.", "Sure?"]


def test_the_clients_own_calls_stay_apart(server: RunningServer) -> None:
    own: Any = {"type": "function", "name": "own", "parameters": {"type": "object", "properties": {}}, "strict": False}
    server.provider("talker").lines = [calls("clock", "own")]
    with responding(server) as api:
        answer: Any = api.responses.create(model="orbit", input=QUESTION, tools=[own])
    assert [(item.type, item.name) for item in answer.output] == [("mcp_call", "clock"), ("function_call", "own")]
