"""Three MCP servers from packages, used through ORBIT by a stand-in model."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from click.testing import CliRunner
from host_tools import Talker, calls, says

from orbit.cli import orbit
from orbit.testing import serve

MODULES = Path(sys.prefix) / "node" / "node_modules"
NODE = shutil.which("node")
FILES = MODULES / "@modelcontextprotocol" / "server-filesystem" / "dist" / "index.js"
EVERYTHING = MODULES / "@modelcontextprotocol" / "server-everything" / "dist" / "index.js"

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(
        NODE is None
        or not FILES.exists()
        or not EVERYTHING.exists()
        or not importlib.util.find_spec("mcp_server_time"),
        reason="scripts/setup.sh --dev installs the servers",
    ),
]


def servers(folder: Path) -> dict[str, Any]:
    return {
        "files": {"command": NODE, "args": [str(FILES), str(folder)], "tools": ["read_text_file", "write_file"]},
        "all": {"command": NODE, "args": [str(EVERYTHING)], "tools": ["echo"]},
        "time": {"command": sys.executable, "args": ["-m", "mcp_server_time"], "tools": ["convert_time"]},
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    (folder / "hours.txt").write_text("The library opens at nine.")
    return folder


@pytest.fixture(scope="module")
def server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    config = {
        "talker": {},
        "mcp": {"servers": servers(folder), "wait": 60},
        "tools": {"max_rounds": 1},
    }
    with serve(config, tmp_path_factory.mktemp("served"), {"talker": Talker}) as running:
        yield running


def call(server: Any, folder: Path) -> Talker:
    """Let the model call a tool of each server."""
    talker: Talker = server.provider("talker")
    path = json.dumps({"path": str(folder / "hours.txt")})
    talker.seen.clear()
    talker.lines = [
        calls("files_read_text_file", arguments=path)[:1]
        + calls("all_echo", arguments='{"message": "hello there"}')[:1]
        + calls("time_convert_time", arguments=json.dumps(TIMES)),
        says("Done."),
    ]
    return talker


TIMES = {"source_timezone": "Europe/Berlin", "time": "12:00", "target_timezone": "Asia/Tokyo"}


@pytest.mark.parametrize("wire", ["chat", "completions", "responses"])
def test_a_model_uses_three_servers(server: Any, folder: Path, wire: str) -> None:
    talker = call(server, folder)
    if wire == "chat":
        headers = {"X-API-Key": server.key}
        body = {"message": "When?", "stream": False}
        text = httpx.post(f"{server.url}/chat", json=body, headers=headers, timeout=60).json()["response"]
    else:
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.key, max_retries=0) as client:
            if wire == "completions":
                asked: Any = [{"role": "user", "content": "When?"}]
                (choice,) = client.chat.completions.create(model="orbit", messages=asked).choices
                text = choice.message.content
            else:
                text = client.responses.create(model="orbit", input="When?").output_text
    assert text == "Done."
    opening, echo, converted = [message.content for message in talker.seen[-1][0][-3:]]
    assert (opening, echo) == ("The library opens at nine.", "Echo: hello there")
    assert "Asia/Tokyo" in converted


def test_the_tool_that_writes_is_not_offered(server: Any) -> None:
    names = {tool.name for tool in server.call(server.provider("mcp").tools())}
    assert names == {"files_read_text_file", "all_echo", "time_convert_time"}


def test_operators_list_and_try_tools(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({"echo": {}, "mcp": {"servers": {"files": servers(folder)["files"]}}}))
    monkeypatch.setenv("ORBIT_CONFIG", str(config))
    listed = CliRunner().invoke(orbit, ["mcp", "list"])
    assert listed.exit_code == 0, listed.output
    assert "  write_file: not offered, is destructive; `destructive` allows it" in listed.output
    assert "  create_directory: not offered, is not in `tools`" in listed.output
    arguments = json.dumps({"path": str(folder / "hours.txt")})
    tried = CliRunner().invoke(orbit, ["mcp", "try", "files_read_text_file", "--arguments", arguments])
    assert (tried.exit_code, tried.output) == (0, "The library opens at nine.\n")
