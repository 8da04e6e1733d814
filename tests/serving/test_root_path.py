"""ORBIT under a path of nginx, which passes the path on or takes it off."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
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


def free_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def nginx(folder: Path, url: str, *, stripping: bool) -> Iterator[str]:
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, port=port, url=url, path="/" if stripping else ""))
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")
    assert program is not None
    process = subprocess.Popen([program, "-c", str(config), "-p", str(folder)], stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
                break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/tools/orbit"
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.skipif(not shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin"), reason="needs nginx")
@pytest.mark.parametrize("stripping", [False, True])
def test_pages_cookies_assets_and_the_schema_are_under_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, stripping: bool
) -> None:
    monkeypatch.setenv("ORBIT_ADMIN_TOKEN", TOKEN)
    config = {"echo": {}, "general": {"root_path": "/tools/orbit/"}, "pages": {"embed_origins": ["https://x.example"]}}
    with serve(config, tmp_path / "data") as server, nginx(tmp_path, server.url, stripping=stripping) as base:
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
