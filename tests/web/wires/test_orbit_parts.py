"""Images, files and the details of tools on ``POST /chat``."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from host_tools import PLUGINS, calls, says
from tools_model import ToolsModel

import orbit
from orbit.testing import serve

DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PDF = base64.b64encode(b"%PDF-1.7 nothing").decode()
CONFIG = {
    "tools_model": {},
    "talker": {},
    "bench": {},
    "general": {"inference_provider": "tools_model"},
    "models": {
        "default": "all",
        "all": {"provider": "tools_model"},
        "caller": {"provider": "talker"},
    },
    "limits": {"max_attached_bytes": 1000, "max_body_bytes": 500},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with serve(CONFIG, tmp_path_factory.mktemp("chat"), {"tools_model": ToolsModel, **PLUGINS}) as running:
        running.provider("tools_model").chunks = [orbit.Chunk("Fine.", "stop")]
        yield running


def ask(server: Any, **body: Any) -> httpx.Response:
    body = {"message": "What is it?", "stream": False, **body}
    return httpx.post(f"{server.url}/chat", json=body, headers={"X-API-Key": server.key}, timeout=20)


def seen(server: Any) -> orbit.Message:
    """The last message that the model read."""
    message: orbit.Message = server.provider("tools_model").seen[-1][0][-1]
    return message


@pytest.mark.parametrize("data", [DOT, f"data:image/jpeg;base64,{DOT}"], ids=["base64", "data URL"])
def test_an_image_belongs_to_the_question(server: Any, data: str) -> None:
    answer = ask(server, parts=[{"type": "image", "data": data, "detail": "low"}])
    assert answer.status_code == 200
    assert seen(server).content == "What is it?"
    text, image = seen(server).parts
    assert text == orbit.Text("What is it?")
    assert image == orbit.Image(base64.b64decode(DOT), "image/png", "low")


def test_a_file_belongs_to_the_question(server: Any) -> None:
    assert ask(server, parts=[{"type": "file", "data": PDF, "name": "a.pdf"}]).status_code == 200
    assert seen(server).parts[1] == orbit.File(base64.b64decode(PDF), "application/pdf", "a.pdf")


def test_an_image_alone_is_a_question_and_the_conversation_goes_on(server: Any) -> None:
    image = [{"type": "image", "data": DOT}]
    begun = ask(server, message="", parts=image, session_id="new").json()
    assert [type(part) for part in seen(server).parts] == [orbit.Image]
    assert begun["metadata"]["remembered"]
    assert ask(server, session_id=begun["session_id"]).status_code == 200
    prompt = server.provider("tools_model").seen[-1][0]
    assert [message.content for message in prompt if message.role == "user"] == ["[image]", "What is it?"]


@pytest.mark.parametrize(
    ("parts", "status", "said"),
    [
        ([{"type": "image", "data": "!!"}], 400, "parts[0]"),
        ([{"type": "image", "data": DOT}, {"type": "image", "data": PDF}], 400, "parts[1]"),
        ([{"type": "image", "data": ""}], 400, "parts[0]"),
        ([{"type": "video", "data": DOT}], 400, "parts[0]"),
        ([{"type": "image", "data": DOT}] * 11, 400, "at most 1000"),
        ("x", 400, "parts"),
    ],
)
def test_what_is_no_image_is_refused_with_its_place(server: Any, parts: Any, status: int, said: str) -> None:
    answer = ask(server, parts=parts)
    assert answer.status_code == status
    assert said in answer.text


def test_a_body_has_its_own_limit_beside_the_parts(server: Any) -> None:
    answer = ask(server, message="x" * 500, parts=[{"type": "image", "data": DOT}])
    assert answer.status_code == 413
    assert ask(server, message="", parts=[]).json()["code"] == "empty_message"


def test_a_model_that_sees_nothing_refuses_an_image(server: Any) -> None:
    answer = ask(server, model="caller", parts=[{"type": "image", "data": DOT}])
    assert (answer.status_code, answer.json()["code"]) == (400, "unsupported_by_model")


@pytest.mark.parametrize("thoughts", [True, False])
def test_the_arguments_and_results_of_tools_come_if_the_client_wants_them(server: Any, *, thoughts: bool) -> None:
    server.provider("talker").lines = [calls("clock", arguments='{"zone": "CET"}'), says("Done.")]
    answer = ask(server, message="Call it.", model="caller", stream=True, thoughts=thoughts)
    frames = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    begun, ended = [frame["tool"] for frame in frames if "tool" in frame]
    given = {"arguments": '{"zone": "CET"}'} if thoughts else {}
    assert begun == {"id": "clock-0", "name": "clock", "status": "running", "seconds": 0.0, **given}
    assert ended["status"] == "ok"
    details = {**given, "result": "clock: rain"} if thoughts else {}
    assert {name: value for name, value in ended.items() if name in ("arguments", "result")} == details
