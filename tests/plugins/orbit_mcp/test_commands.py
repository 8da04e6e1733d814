"""`orbit mcp list` and `orbit mcp try`, with a stand-in."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from mcp_kit import process

from orbit.cli import orbit


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(*arguments: str, **servers: Any) -> tuple[int, str]:
        config = tmp_path / "config.yaml"
        config.write_text(json.dumps({"echo": {}, "mcp": {"servers": servers}}))
        monkeypatch.setenv("ORBIT_CONFIG", str(config))
        result = CliRunner().invoke(orbit, ["mcp", *arguments])
        return result.exit_code, result.output

    return run


def test_list_shows_what_is_offered_and_why_not(run: Any) -> None:
    code, output = run("list", odd=process(tools=["echo", "wipe"]), down=process("exit"))
    assert code == 1
    assert "  odd_echo(text): The tool echo.\n" in output
    assert "  wipe: not offered, is destructive; `destructive` allows it\n" in output
    assert "  fail: not offered, is not in `tools`\n" in output
    assert "down\n  not available: it ended (no licence found)\n" in output
    assert run("list") == (
        1,
        "Error: no MCP servers are configured: name them under 'servers' of the section 'mcp'.\n",
    )


@pytest.mark.parametrize(
    ("arguments", "code", "output"),
    [
        (["odd_echo", "--arguments", '{"text": "a\\u001bb"}'], 0, "echo: a\\x1bb\n"),
        (["odd_fail"], 1, "the disk is full\n"),
        (["odd_nothing"], 1, "Error: there is no tool 'odd_nothing'. Tools: odd_echo, odd_fail.\n"),
        (["nothing"], 1, "Error: there is no tool 'nothing'. Names begin with: odd.\n"),
        (["odd_echo", "--arguments", "{"], 2, "this is not JSON"),
        (["odd_echo", "--arguments", "[]"], 2, 'give an object, such as {"path": "."}'),
    ],
)
def test_try_calls_a_tool(run: Any, arguments: list[str], code: int, output: str) -> None:
    ended, said = run("try", *arguments, odd=process(tools=["echo", "fail"]))
    assert (ended, output in said) == (code, True), said


def test_try_says_that_a_server_is_away(run: Any) -> None:
    code, output = run("try", "odd_echo", odd=process("exit"))
    assert (code, output) == (1, "Error: the MCP server 'odd' is not available: it ended (no licence found).\n")
