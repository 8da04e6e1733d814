"""The lines of the systemd unit, run against a real server with the environment that systemd gives them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from serve_kit import ORBIT, PATIENT, Reader, Served, eventually, served

UNIT = (Path(__file__).parents[2] / "deploy" / "orbit.service").read_text("utf-8")

pytestmark = pytest.mark.processes


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path, "patient: {}\n", plugins={"patient": PATIENT}) as running:
        yield running


def values(setting: str) -> list[str]:
    """Each value of a setting of the unit."""
    return re.findall(rf"^{setting}=(.+)$", UNIT, re.MULTILINE)


def run(setting: str, server: Served) -> subprocess.CompletedProcess[str]:
    """Run a command of the unit, with paths of this server for those of the page."""
    config = str(server.folder / "config.yaml")
    given = dict(value.replace("/etc/orbit/config.yaml", config).split("=", 1) for value in values("Environment"))
    assert given["ORBIT_CONFIG"] == config
    plugins = {"PYTHONPATH": server.environment["PYTHONPATH"]}  # packages, as if they were installed
    (command,) = values(setting)
    program, *arguments = shlex.split(command)
    assert program == "/opt/orbit/bin/orbit"
    return subprocess.run(
        [ORBIT, *arguments],
        env={"PATH": os.defpath, "HOME": str(server.folder), **plugins, **given},
        cwd=server.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def write(server: Served, config: str) -> None:
    """Replace all after the two lines of the kit."""
    file = server.folder / "config.yaml"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:2]) + config)


def answer(server: Served) -> str:
    response = server.ask(stream=False)
    assert response.status_code == 200, response.text
    text: str = response.json()["response"]
    return text


def test_exec_reload_replaces_a_changed_provider_while_an_answer_runs(server: Served) -> None:
    reader = Reader(server)
    eventually(reader.begun.is_set)
    write(server, "script: {words: 4}\n")
    done = run("ExecReload", server)
    assert (done.returncode, done.stdout) == (0, "Added: script. Removed: patient.\n"), done.stderr
    assert len(answer(server).split()) == 4
    assert not reader.ended_well
    (server.folder / "release").touch()
    reader.join()
    assert reader.frames[-2]["text"] == "end"


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ("script: {words: many}\n", "script.words"),
        ("scripted: {words: 4}\n", "no section or plugin is named 'scripted'"),
        ("script: [\n", "config.yaml"),
    ],
)
def test_exec_reload_of_a_wrong_file_changes_nothing_and_says_why(server: Served, config: str, reason: str) -> None:
    (server.folder / "release").touch()
    assert answer(server) == "end"
    write(server, config)
    done = run("ExecReload", server)
    assert done.returncode == 1
    assert reason in done.stderr
    assert answer(server) == "end"
    assert run("ExecStartPre", server).returncode == 1, "nor would it start again"


def test_exec_reload_without_a_server_fails(server: Served) -> None:
    server.process.terminate()
    assert server.finish() == 0
    done = run("ExecReload", server)
    assert done.returncode == 3
    assert "cannot be reached" in done.stderr
