"""What docs/operations.md says to put into nginx, Caddy and logrotate, taken from there and tried with them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from tools_kit import eventually, free_port, running, snippet, tool

from orbit.testing import RunningServer, serve

pytestmark = pytest.mark.processes

ENDLESS = {"script": {"words": -1, "delay": 0.05}, "diary": {}, "general": {"trusted_proxies": ["127.0.0.1"]}}


@contextmanager
def nginx(upstream: str, folder: Path) -> Iterator[str]:
    port, program = free_port(), tool("nginx")
    location = snippet("proxy_buffering off").replace("http://127.0.0.1:3000", upstream)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    (folder / "nginx.conf").write_text(
        f"daemon off; error_log stderr; pid {folder}/nginx.pid; events {{}}\n"
        f"http {{ access_log off; {' '.join(f'{kind}_temp_path {folder}/{kind};' for kind in kinds)}\n"
        f"server {{ listen 127.0.0.1:{port};\n{location}}} }}\n"
    )
    with running(port, program, "-c", str(folder / "nginx.conf"), "-p", str(folder), "-e", "stderr"):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def caddy(upstream: str, folder: Path) -> Iterator[str]:
    port, program = free_port(), tool("caddy")
    site = snippet("reverse_proxy").replace("127.0.0.1:3000", upstream.removeprefix("http://"))
    site = site.replace("chat.example.org", f"http://127.0.0.1:{port}")
    (folder / "Caddyfile").write_text("{\n\tadmin off\n}\n" + site)
    home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with running(port, program, "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile", **home):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    with serve(ENDLESS, tmp_path / "orbit") as started:
        yield started


@pytest.mark.parametrize("proxy", [nginx, caddy])
def test_a_proxy_passes_on_each_piece_and_the_clients_leaving(
    server: RunningServer, tmp_path: Path, proxy: Callable[[str, Path], Iterator[str]]
) -> None:
    script, diary = server.provider("script"), server.provider("diary")
    with (
        proxy(server.url, tmp_path) as url,  # type: ignore[attr-defined]  # a context manager
        httpx.Client(headers={"X-API-Key": server.key}, timeout=20) as client,
    ):
        with client.stream("POST", f"{url}/chat", json={"message": "Go on."}) as response:
            assert response.status_code == 200
            lines = (line for line in response.iter_lines() if line.startswith("data: "))
            texts = [json.loads(next(lines)[6:])["text"] for _ in range(5)]
            assert script.running == 1, "the answer was over before its first piece arrived"
        assert texts == [f"word{number} " for number in range(5)]

        eventually(lambda: script.closed == 1 and not script.running, "the work for the client that left is stopped")
        eventually(lambda: diary.records, "the turn is logged")
        assert diary.records[-1].status == "cancelled"
        assert diary.records[-1].client_ip == "127.0.0.1"


def test_logrotate_and_the_servers_own_log(tmp_path: Path) -> None:
    program, log = tool("logrotate"), tmp_path / "logs" / "server.log"
    log.parent.mkdir(mode=0o755)
    rules = tmp_path / "orbit.rotate"
    rules.write_text(snippet("delaycompress").replace("/var/log/orbit/server.log", str(log)))
    rules.chmod(0o644)
    settings = {"echo": {}, "logging": {"server_file": str(log), "access": True, "file": {"enabled": False}}}
    (tmp_path / "config.yaml").write_text(json.dumps({**settings, "general": {"data_dir": str(tmp_path / "data")}}))
    port = free_port()
    command = (sys.executable, "-m", "orbit", "serve", "--config", str(tmp_path / "config.yaml"))
    with running(port, *command, "--port", str(port)):
        httpx.get(f"http://127.0.0.1:{port}/health/live?before")
        eventually(lambda: "/health/live" in log.read_text(), "the request is in the log")
        subprocess.run([program, "--force", "--state", str(tmp_path / "state"), str(rules)], check=True)
        before = log.with_name("server.log.1").read_text()
        httpx.get(f"http://127.0.0.1:{port}/nowhere")
        eventually(lambda: log.exists() and "/nowhere" in log.read_text(), "the next line is in a new file")

    assert "/health/live" in before
    assert "/nowhere" not in log.with_name("server.log.1").read_text()
