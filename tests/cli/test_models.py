"""``orbit models``: of a configuration alone, and of its running server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import orbit
from orbit.auth.admin_token import read_token
from orbit.cli import orbit as command
from orbit.host.models import upstreams
from orbit.host.models.catalogue import Target
from orbit.serving.sole_server import announce
from orbit.testing import serve

MODELS: dict[str, Any] = {
    "default": "fast",
    "fast": {"provider": ["echo", "second"], "fallback": "large"},
    "large": {"provider": "second", "model": "big"},
}
TEXT = "models: {default: fast, fast: {provider: [echo, second], fallback: large}, large: {provider: second}}"


class Knows(orbit.Provider):
    """Says what its models can do."""

    @orbit.hookimpl
    async def models(self, context: orbit.CallContext) -> Sequence[orbit.Model]:
        return [orbit.Model("small", 100), orbit.Model("big", 8192, frozenset({"tools", "images"}))]

    @orbit.hookimpl
    async def generate(self, messages: Any) -> AsyncIterator[orbit.Chunk]:
        yield orbit.Chunk("x", finish_reason="stop")

    async def health(self) -> orbit.Health:
        return orbit.Health("degraded", "half of it is away")


def run(*arguments: str) -> tuple[str, str]:
    result = CliRunner().invoke(command, ["models", *arguments])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout, result.stderr


def test_without_a_server(tmp_path: Path) -> None:
    text = f"general: {{port: 9, data_dir: {tmp_path}/data}}\necho: {{}}\nsecond: {{use: echo}}\n{TEXT}\n"
    (tmp_path / "config.yaml").write_text(text)
    shown, note = run("--config", str(tmp_path / "config.yaml"))
    lines = shown.splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [
        ["fast", "(default)", "echo"],
        ["second", "-", "-"],
        ["large", "second", "-"],
    ]
    assert lines[1].split()[-1] == "large"
    assert "No server of this configuration answers" in note


def test_with_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = {"echo": {}, "second": {"use": "knows"}, "models": MODELS}
    with serve(config, tmp_path / "data", {"knows": Knows}) as server:
        token = read_token(server.services.config)
        assert token
        monkeypatch.setenv("ORBIT_ADMIN_TOKEN", token)
        port = server.url.rpartition(":")[2]
        general = f"general: {{data_dir: {tmp_path}/data, host: 127.0.0.1, port: {port}}}"
        text = f"{general}\necho: {{}}\nsecond: {{use: echo}}\n{TEXT}\n"
        (tmp_path / "config.yaml").write_text(text)
        upstream = server.services.host.upstreams.of(Target("second", "big"))
        monkeypatch.setattr(upstreams, "_FIRST_REST", 200.0)
        monkeypatch.setattr(upstreams, "_LONGEST_REST", 200.0)
        upstream.failed(orbit.ProviderError("it is down."))
        resting = json.loads(run("--url", server.url, "--json")[0])[1]["providers"][0]["cooldown"]
        told = run("--url", server.url)[0]
        upstream.answered()
        by_url = json.loads(run("--url", server.url, "--json")[0])
        by_file = json.loads(run("--config", str(tmp_path / "config.yaml"), "--json")[0])
        shown, note = run("--config", str(tmp_path / "config.yaml"))
        announce(tmp_path / "data", server.url)  # as `orbit serve --port` does
        (tmp_path / "config.yaml").write_text(text.replace(f"port: {port}", "port: 1"))
        by_announcement = json.loads(run("--config", str(tmp_path / "config.yaml"), "--json")[0])
    assert 100 < resting <= 200
    assert "degraded: half of it is away; no requests for " in told
    assert by_url == by_file == by_announcement
    assert note == ""
    assert [(model["name"], model["default"], model["fallback"]) for model in by_url] == [
        ("fast", True, ["large"]),
        ("large", False, []),
    ]
    assert by_url[1]["providers"] == [
        {
            "provider": "second",
            "model": "big",
            "window": 8192,
            "supports": ["images", "tools"],
            "health": {"status": "degraded", "detail": "half of it is away"},
            "cooldown": 0.0,
        }
    ]
    assert by_url[0]["providers"][0]["health"] == {"status": "ok", "detail": ""}
    assert "degraded: half of it is away  8192    images, tools" in shown


def test_mistakes_are_named(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("echo: {}\nmodels: {fast: {provider: ecko}}\n")
    result = CliRunner().invoke(command, ["models", "--config", str(tmp_path / "config.yaml")])
    assert "Did you mean 'echo'?" in str(result.exception)
