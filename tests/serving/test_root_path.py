"""ORBIT under a path of nginx or Caddy, which pass the path on or take it off."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from orbit.config.load import parse_config
from orbit.testing import serve

TOKEN = "the-administrators-own-token"
NGINX = """
pid {folder}/nginx.pid; error_log {folder}/error.log; daemon off; master_process off;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port};
    location /tools/orbit/ {{ proxy_pass {url}{path}; proxy_set_header Host $http_host; proxy_buffering off; }}
  }}
}}
"""

CADDY = """
{{
  admin off
}}
http://127.0.0.1:{port} {{
  {handle} /tools/orbit/* {{
    reverse_proxy {url}
  }}
}}
"""
PROGRAMS = "/usr/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin"


def free_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def nginx(folder: Path, url: str, port: int, *, stripping: bool) -> list[str]:
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, port=port, url=url, path="/" if stripping else ""))
    return ["nginx", "-c", str(config), "-p", str(folder)]


def caddy(folder: Path, url: str, port: int, *, stripping: bool) -> list[str]:
    config = folder / "Caddyfile"
    config.write_text(CADDY.format(port=port, url=url, handle="handle_path" if stripping else "handle"))
    return ["caddy", "run", "--config", str(config), "--adapter", "caddyfile"]


@contextmanager
def running(command: list[str], folder: Path, port: int) -> Iterator[str]:
    program = shutil.which(command[0], path=PROGRAMS)
    assert program is not None
    homes = {name: str(folder) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
    process = subprocess.Popen(
        [program, *command[1:]], stderr=subprocess.DEVNULL, env={**os.environ, **homes}, cwd=folder
    )
    try:
        for _ in range(200):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
                break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/tools/orbit"
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.parametrize("proxy", [nginx, caddy])
@pytest.mark.parametrize("stripping", [False, True])
def test_pages_cookies_assets_and_the_schema_are_under_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: Callable[..., list[str]], *, stripping: bool
) -> None:
    if not shutil.which(proxy.__name__, path=PROGRAMS):
        pytest.skip(f"needs {proxy.__name__}")
    monkeypatch.setenv("ORBIT_ADMIN_TOKEN", TOKEN)
    config = {"echo": {}, "general": {"root_path": "/tools/orbit/"}, "pages": {"embed_origins": ["https://x.example"]}}
    port = free_port()
    with (
        serve(config, tmp_path / "data") as server,
        running(proxy(tmp_path, server.url, port, stripping=stripping), tmp_path, port) as base,
    ):
        host = base.removesuffix("/tools/orbit")
        with httpx.Client(timeout=20) as client:
            for page in ("/", "/admin"):
                html = client.get(base + page)
                assert html.status_code == 200
                found = re.findall(r'(?:src|href)="(/[^"]+)"', html.text)
                assert len(found) > 5
                assert all(path.startswith("/tools/orbit/assets/") for path in found)
                assert all(client.get(host + path).status_code == 200 for path in found)
            assert client.get(f"{base}/embed.js").status_code == 200
            signed_in = client.post(f"{base}/admin/session", headers={"Authorization": f"Bearer {TOKEN}"})
            assert "Path=/tools/orbit/admin" in signed_in.headers["set-cookie"]
            assert client.get(f"{base}/admin/session").status_code == 200
            answer = client.post(
                f"{base}/chat", json={"message": "hello", "stream": False}, headers={"X-API-Key": server.key}
            )
            assert answer.json()["response"] == "hello"
            assert client.get(f"{base}/schema/openapi.json").json()["servers"] == [{"url": "/tools/orbit"}]
            assert 'href="/tools/orbit/schema/openapi.json"' in client.get(f"{base}/schema").text
            assert client.get(f"{base}/health/ready").status_code == 200
            assert client.get(f"{server.url}/health/ready").status_code == 200  # past the proxy


@pytest.mark.parametrize("path", ["orbit", "/a b", "/a//b", "https://x/orbit", "/ö"])
def test_what_is_no_path_is_refused(path: str) -> None:
    _, problems = parse_config({"general": {"root_path": path}}, "test", {})
    assert [problem.path for problem in problems] == ["general.root_path"]
