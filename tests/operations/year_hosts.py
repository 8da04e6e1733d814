"""Machines with ORBIT, a proxy before them, and clients that ask all the time, for ``year.py``."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx
from mongo_server import free_port
from serve_kit import eventually

TODAY = (sys.executable, "-m", "orbit")
NGINX = """
pid {folder}/nginx.pid; error_log {folder}/error.log; daemon off;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
{sites}
}}
"""
SITE = """
  upstream orbit {{ {servers} }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://orbit; proxy_buffering off; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_next_upstream error timeout http_503 non_idempotent; proxy_connect_timeout 1s;
    }}
  }}
"""


class Host:
    """One machine with ORBIT: a folder with its configuration and data, a release, and a process."""

    def __init__(self, folder: Path, release: Sequence[str] = TODAY, port: int = 0) -> None:
        """``release`` is the command of the ORBIT that is installed there; ``port`` 0 is a free one."""
        self.folder, self.port = folder, port
        self.release = release
        self.url = ""
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(exist_ok=True)

    def write(self, config: str) -> None:
        (self.folder / "config.yaml").write_text(config)

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run a command as the operator would, in this folder."""
        dropped = ("ORBIT_CONFIG", "ORBIT_URL", "ORBIT_ADMIN_TOKEN")
        result = subprocess.run(
            [*self.release, *arguments],
            cwd=self.folder,
            env={name: value for name, value in os.environ.items() if name not in dropped},
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == code, (arguments, result.stdout, result.stderr)
        return result.stdout if code == 0 else result.stderr

    def start(self) -> None:
        self.url = ""
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [*self.release, "serve", "--port", str(self.port)], cwd=self.folder, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and self.process.poll() is None:
            for line in (self.folder / "log").read_text().splitlines():
                if line.startswith("Starting at "):
                    self.url = line.split()[2]
            with contextlib.suppress(httpx.HTTPError):
                if self.url and httpx.get(f"{self.url}/health/ready", timeout=5).status_code == 200:
                    return
            time.sleep(0.1)
        raise TimeoutError((self.folder / "log").read_text())

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(60)


class Clients(threading.Thread):
    """Ask one question after the other, and know the right answers."""

    def __init__(self, url: str, key: str, facts: Mapping[str, tuple[str, str]], pause: float = 0.02) -> None:
        """``facts`` are questions, each with a sentence that answers it and what the answer must contain."""
        super().__init__()
        self.facts = facts
        self.url, self.key, self.pause = url, key, pause
        self.asked = 0
        self.errors: list[str] = []
        self.wrong: list[str] = []
        self._ended = threading.Event()

    def run(self) -> None:
        with httpx.Client(timeout=60) as client:
            while not self._ended.is_set():
                for question, (_, right) in self.facts.items():
                    self._ask(client, question, right)
                    time.sleep(self.pause)

    def _ask(self, client: httpx.Client, question: str, right: str) -> None:
        self.asked += 1
        body, headers = {"message": question, "stream": False}, {"X-API-Key": self.key}
        try:
            response = client.post(f"{self.url}/chat", json=body, headers=headers)
        except httpx.HTTPError as error:
            self.errors.append(f"{time.strftime('%X')} {type(error).__name__}: {error}")
            return
        if response.status_code != 200:
            self.errors.append(f"{time.strftime('%X')} {response.status_code} {response.text[:200]}")
        elif right not in response.json()["response"]:
            self.wrong.append(f"{time.strftime('%X')} {question} {response.text[:300]}")

    def end(self) -> None:
        self._ended.set()
        self.join()


def nginx(folder: Path, sites: str) -> subprocess.Popen[bytes]:
    """Start nginx with these ``server`` and ``upstream`` blocks."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")
    assert program is not None
    command = [program, "-c", str(_write_nginx(folder, sites)), "-p", str(folder)]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


def _write_nginx(folder: Path, sites: str) -> Path:
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, sites=sites))
    return config


class Proxy:
    """nginx, which clients know, before the hosts that serve at the moment."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{self._port}"
        folder.mkdir(exist_ok=True)

    def balance(self, *hosts: Host) -> None:
        """Lead to these hosts; requests that run stay where they are."""
        servers = " ".join(f"server {host.url.removeprefix('http://')} max_fails=1 fail_timeout=2s;" for host in hosts)
        site = SITE.format(port=self._port, servers=servers)
        if self._process is None:
            self._process = nginx(self._folder, site)
            eventually(self._accepts)
        else:
            before = self._workers()
            _write_nginx(self._folder, site)
            self._process.send_signal(signal.SIGHUP)
            eventually(lambda: bool(self._workers() - before))  # those before take no new connections any more

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)

    def _accepts(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self._port), 1):
                return True
        except OSError:
            return False

    def _workers(self) -> set[str]:
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        return set(children.read_text().split())
