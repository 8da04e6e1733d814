"""The client's own tools on ``POST /chat``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from host_tools import PLUGINS, calls, says
from tools_model import CALL, WEATHER, ToolsModel

import orbit
from orbit.testing import serve

TOOL = {"type": "function", **WEATHER["function"]}
CALLED = {"id": CALL.id, "name": CALL.name, "arguments": CALL.arguments}
ROUND: dict[str, Any] = {"tool_calls": [CALLED], "results": [{"id": CALL.id, "result": "Rain, 9 degrees."}]}
QUESTION = "How is the weather in Bonn?"


@contextmanager
def served(tmp_path: Path, **sections: Any) -> Iterator[Any]:
    with serve({"tools_model": {}, **sections}, tmp_path, {"tools_model": ToolsModel}) as server:
        yield server


def ask(server: Any, **body: Any) -> httpx.Response:
    body = {"message": QUESTION, "stream": False, "tools": [TOOL], **body}
    return httpx.post(f"{server.url}/chat", json=body, headers={"X-API-Key": server.key}, timeout=20)


def frames(answer: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]


def test_calls_come_back_and_the_round_goes_on(tmp_path: Path) -> None:
    with served(tmp_path, shelf={}, diary={}) as server:
        first = ask(server, tool_choice={"name": "weather"}, parallel_tool_calls=False).json()
        assert (first["finish_reason"], first["response"], first["tool_calls"]) == ("tool_calls", "", [CALLED])
        second = ask(server, rounds=[{"response": first["response"], **ROUND}]).json()
        assert (second["finish_reason"], second["response"]) == ("stop", "You said: Rain, 9 degrees.")
        assert "tool_calls" not in second
        (_, options), (replied, _) = server.provider("tools_model").seen
    (tool,) = options.tools
    assert (tool.name, tool.parameters) == ("weather", TOOL["parameters"])
    assert options.tool_choice == orbit.ToolChoice("required", "weather")
    assert options.parallel_tool_calls is False
    assert [message.role for message in replied] == ["system", "user", "assistant", "tool"]
    assert (replied[2].tool_calls, replied[3].tool_call_id) == ((CALL,), CALL.id)
    assert "the passage" in replied[1].content  # what the question found, without another search
    durations = [record.durations for record in server.provider("diary").records]
    assert ["retrieve" in spent for spent in durations] == [True, False]


@pytest.mark.parametrize("form", ["delta", "cumulative"])
def test_a_stream_ends_with_the_calls(tmp_path: Path, form: str) -> None:
    with served(tmp_path, general={"stream_text": form}) as server:
        chunks = [orbit.Chunk("I look."), orbit.Chunk(tool_calls=(CALL,)), orbit.Chunk(finish_reason="stop")]
        server.provider("tools_model").chunks = chunks
        *pieces, end = frames(ask(server, stream=True))
    assert [piece["text"] for piece in pieces] == ["I look."]
    assert (end["tool_calls"], end["finish_reason"]) == ([CALLED], "tool_calls")


def test_a_conversation_keeps_the_answer_after_the_rounds(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        begun = ask(server, session_id="new").json()
        assert not begun["metadata"]["remembered"]
        named = {"session_id": begun["session_id"]}
        assert ask(server, rounds=[ROUND], **named).json()["metadata"]["remembered"]
        ask(server, message="And tomorrow?", **named)
        prompt = server.provider("tools_model").seen[-1][0]
    assert [message.content for message in prompt if message.role != "system"] == [
        QUESTION,
        "You said: Rain, 9 degrees.",
        "And tomorrow?",
    ]


def test_the_clients_tools_go_beside_those_of_the_server(tmp_path: Path) -> None:
    with serve({"talker": {}, "bench": {}}, tmp_path, PLUGINS) as server:
        server.provider("talker").lines = [calls("clock"), calls("weather"), says("Done.")]
        first = ask(server).json()
        assert [call["name"] for call in first["tool_calls"]] == ["weather"]
        assert [tool["name"] for tool in first["metadata"]["tools"]] == ["clock"]
        returned = [{"id": call["id"], "result": "Rain."} for call in first["tool_calls"]]
        second = ask(server, rounds=[{"tool_calls": first["tool_calls"], "results": returned}])
        assert second.json()["response"] == "Done."
        prompt = server.provider("talker").seen[-1][0]
    assert [message.content for message in prompt if message.role == "tool"] == ["clock: rain", "Rain."]


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown tool": ({"tool_choice": {"name": "x"}}, "tool_choice"),
    "a choice that is none": ({"tool_choice": "maybe"}, "tool_choice"),
    "an empty choice": ({"tools": [], "tool_choice": ""}, "tool_choice"),
    "a choice of nothing": ({"tools": [], "tool_choice": "required"}, "tool_choice"),
    "another kind of tool": ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
    "two of one name": ({"tools": [TOOL, TOOL]}, "tools"),
    "a name of no name": ({"tools": [{"name": "two words"}]}, "tools[0].name"),
    "parameters of no object": (
        {"tools": [{"name": "f", "parameters": {"type": "string"}}]},
        "tools[0].parameters",
    ),
    "a tool in another form": ({"tools": "weather"}, "tools"),
    "arguments that are no JSON": (
        {"rounds": [{**ROUND, "tool_calls": [{**CALLED, "arguments": "{"}]}]},
        "rounds[0].tool_calls[0].arguments",
    ),
    "a call without an id": ({"rounds": [{"tool_calls": [{**CALLED, "id": ""}], "results": []}]}, "rounds[0]"),
    "a round without calls": ({"rounds": [{**ROUND, "tool_calls": []}]}, "rounds[0].tool_calls"),
    "a result of another call": (
        {"rounds": [{**ROUND, "results": [{"id": "call_9", "result": ""}]}]},
        "rounds[0].results[0].id",
    ),
    "a call without its result": ({"rounds": [{**ROUND, "results": []}, ROUND]}, "rounds[1]"),
    "no results at the end": ({"rounds": [{**ROUND, "results": []}]}, "rounds[0]"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_names_the_parameter(tmp_path: Path, case: str) -> None:
    options, param = BAD[case]
    with served(tmp_path) as server:
        answer = ask(server, **options)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["param"] == param


def test_a_model_that_calls_no_tools_refuses_them(tmp_path: Path) -> None:
    with served(tmp_path, tools_model={"supports": []}) as server:
        for options, param in (({}, "tools"), ({"rounds": [ROUND], "tools": []}, "rounds")):
            problem = ask(server, **options).json()
            assert (problem["code"], problem["param"]) == ("unsupported_by_model", param)
        assert ask(server, tool_choice="none").status_code == 200
