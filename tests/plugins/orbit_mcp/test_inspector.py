"""The command line of the MCP inspector at /mcp, with a key and without."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orbit.testing import serve

_PACKAGE = Path(__file__).parents[3] / ".venv" / "node" / "node_modules" / "@modelcontextprotocol" / "inspector"
_PROGRAM = _PACKAGE / "clients" / "launcher" / "build" / "index.js"
_NODE = shutil.which("node")
_NEEDS_A_KEY = 3

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(
        not (_NODE and _PROGRAM.exists()), reason="scripts/setup.sh --dev installs the inspector if there is npm"
    ),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    config = {"mcp": {"serve": True}, "script": {}, "shelf": {}}
    with serve(config, tmp_path_factory.mktemp("served"), collection="handbook") as running:
        yield running


def inspect(server: Any, home: Path, *arguments: str, key: str) -> tuple[int, str]:
    """Run the inspector, and return its exit code and what it writes."""
    headers = ["--header", f"Authorization: Bearer {key}"] if key else []
    target = ["--cli", f"{server.url}/mcp", "--transport", "http", "--stored-auth-only", *headers]
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
    ran = subprocess.run(
        [str(_NODE), str(_PROGRAM), *target, *arguments],
        env=environment,
        cwd=home,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return ran.returncode, ran.stdout or ran.stderr


def test_it_lists_the_tools_in_order(server: Any, tmp_path: Path) -> None:
    code, output = inspect(server, tmp_path, "--method", "tools/list", "--strict", key=server.key)
    assert code == 0, output
    assert [tool["name"] for tool in json.loads(output)["tools"]] == ["search", "ask"]


@pytest.mark.parametrize(("tool", "text"), [("search", "[1] shelf.md\nthe passage"), ("ask", "word0 word1 word2")])
def test_it_calls_a_tool(server: Any, tmp_path: Path, tool: str, text: str) -> None:
    arguments = ("--method", "tools/call", "--tool-name", tool, "--tool-arg", "question=Where?")
    code, output = inspect(server, tmp_path, *arguments, key=server.key)
    assert code == 0, output
    result = json.loads(output)
    assert (result["isError"], result["content"][0]["text"].startswith(text)) == (False, True)


@pytest.mark.parametrize("key", ["", "wrong"])
def test_it_is_refused_without_a_key(server: Any, tmp_path: Path, key: str) -> None:
    code, output = inspect(server, tmp_path, "--method", "tools/list", key=key)
    assert (code, json.loads(output)["error"]["code"]) == (_NEEDS_A_KEY, "auth_required")
