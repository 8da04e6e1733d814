"""An operator's year, while clients ask all the time.

The earlier configuration, documents, reloads, rotations, a database and a store on servers, a second host, another
embedding model, a lost host, a restored backup.

PYTHONPATH=tests/kits .venv/bin/python tests/operations/year.py [FOLDER]

``YEAR`` has every step. Each is one or two documented commands. The figures at the end are what the clients saw.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
from chroma_kit import ChromaServer
from mongo_server import MongoServer, free_port

ORBIT = [sys.executable, "-m", "orbit"]
EARLIER = """
general:
  port: 3000
  verbose: false
  inference_provider: extract
logging:
  console:
    enabled: true
messages:
  no_results_response: "I do not know."
"""
PARTS = "extract: {}\nwordllama: {}\nlexical: {collection: town}\n"
ROLE = "  embedding_provider: wordllama\n"
SMALL = "extract: {}\nlexical: {collection: town}\n"
EMBEDDED = PARTS + "chroma: {collection: town}\n"
FACTS = {
    "When does the swimming pool open?": ("The swimming pool opens at seven in the morning.", "seven"),
    "What does a library card cost?": ("A library card costs twelve euros a year.", "twelve"),
    "Who repairs broken street lamps?": ("The works department repairs broken street lamps.", "works department"),
    "Where is the lost property office?": ("The lost property office is in Mill Lane.", "Mill Lane"),
    "On which day is the rubbish collected?": ("The rubbish is collected on Thursday.", "Thursday"),
}
NGINX = """
pid {folder}/nginx.pid; error_log {folder}/error.log; daemon off;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream orbit {{ {servers} }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://orbit; proxy_buffering off; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_next_upstream error timeout http_503 non_idempotent; proxy_connect_timeout 1s;
    }}
  }}
}}
"""


class Host:
    """One machine with ORBIT: a folder with its configuration and data, and a process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = ""
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(exist_ok=True)

    def write(self, config: str) -> None:
        (self.folder / "config.yaml").write_text(config)

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run a command as the operator would, in this folder."""
        dropped = ("ORBIT_CONFIG", "ORBIT_URL", "ORBIT_ADMIN_TOKEN")
        result = subprocess.run(
            [*ORBIT, *arguments],
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
            self.process = subprocess.Popen([*ORBIT, "serve", "--port", "0"], cwd=self.folder, stdout=log, stderr=log)
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

    def __init__(self, url: str, key: str, pause: float = 0.02) -> None:
        super().__init__()
        self.url, self.key, self.pause = url, key, pause
        self.asked = 0
        self.errors: list[str] = []
        self.wrong: list[str] = []
        self._ended = threading.Event()

    def run(self) -> None:
        with httpx.Client(timeout=60) as client:
            while not self._ended.is_set():
                for question, (_, right) in FACTS.items():
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


class Year:
    """The state of the year: hosts, servers, and the proxy that clients know."""

    def __init__(self, folder: Path, parts: str) -> None:
        """``parts`` are the sections of the first configuration."""
        self.folder = folder
        self.parts = parts
        self.first = Host(folder / "first")
        self.second = Host(folder / "second")
        self.serving = self.first
        self.key = ""
        self.clients: Clients | None = None
        self.mongodb = MongoServer(_made(folder / "mongodb"))
        self.chroma = ChromaServer(_made(folder / "chroma"))
        self._proxy: subprocess.Popen[bytes] | None = None
        self._proxy_port = free_port()

    def balance(self, *hosts: Host) -> None:
        """Let the proxy lead to these hosts; requests that run stay where they are."""
        place = _made(self.folder / "nginx")
        servers = " ".join(f"server {host.url.removeprefix('http://')} max_fails=1 fail_timeout=2s;" for host in hosts)
        config = place / "nginx.conf"
        config.write_text(NGINX.format(folder=place, port=self._proxy_port, servers=servers))
        program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")
        assert program is not None
        if self._proxy is None:
            self._proxy = subprocess.Popen([program, "-c", str(config), "-p", str(place)], stderr=subprocess.DEVNULL)
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._proxy_port), 1):
                    return
                time.sleep(0.05)
        else:
            self._proxy.send_signal(signal.SIGHUP)
            time.sleep(1)

    def ask_through(self, url: str) -> None:
        self.clients = Clients(url, self.key)
        self.clients.start()

    @property
    def proxy_url(self) -> str:
        return f"http://127.0.0.1:{self._proxy_port}"

    def end(self) -> None:
        if self.clients is not None:
            self.clients.end()
        for host in (self.first, self.second):
            host.stop()
        if self._proxy is not None:
            self._proxy.terminate()
            self._proxy.wait(20)
        self.chroma.stop()
        self.mongodb.stop()


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def import_the_earlier_configuration(year: Year) -> None:
    (year.first.folder / "earlier.yaml").write_text(EARLIER)
    migrated = year.first.run("migrate", "config", "earlier.yaml")
    assert "general:\n" in migrated
    year.first.write(
        migrated.replace("general:\n", f"general:\n{ROLE if 'wordllama' in year.parts else ''}", 1) + year.parts
    )
    assert "is valid" in year.first.run("check")


def ingest(year: Year) -> None:
    pages = _made(year.folder / "pages")
    for number, (fact, _) in enumerate(FACTS.values()):
        (pages / f"{number}.md").write_text(f"# Town\n\n{fact}\n")
    assert f"added      {len(FACTS)}" in year.serving.run("ingest", str(pages), "--collection", "town")


def begin_to_ask(year: Year) -> None:
    year.key = _key(year.first.run("keys", "create", "--name", "clients", "--json"))
    year.first.start()
    year.ask_through(year.first.url)


def begin_to_ask_through_a_proxy(year: Year) -> None:
    year.key = _key(year.first.run("keys", "create", "--name", "clients", "--json"))
    year.first.start()
    year.balance(year.first)
    year.ask_through(year.proxy_url)


def _key(text: str) -> str:
    import json  # for this line alone

    key: str = json.loads(text)["api_key"]
    return key


def reload(year: Year) -> None:
    host = year.first
    config = (host.folder / "config.yaml").read_text()
    host.write(config + "retrieval: {limit: 12}\n")
    assert "Changed: retrieval.limit." in host.run("reload")
    host.write(config + "retrieval: {limit: twelve}\n")
    assert "retrieval.limit" in host.run("reload", code=1)
    host.write(config)
    assert "Changed: retrieval.limit." in host.run("reload")


def rotate(year: Year) -> None:
    """Rotate the admin token, and the clients' key, whose earlier secret works for another hour."""
    old = year.first.run("token", "show")
    assert year.first.run("token", "rotate") != old
    assert year.clients is not None
    fresh = _key(year.first.run("keys", "rotate", year.key, "--grace", "3600", "--json"))
    year.clients.key = year.key = fresh


def back_up(year: Year) -> None:
    year.serving.run("backup", str(year.folder / "backup.tar.gz"))


def move_to_servers(year: Year) -> None:
    """Move the database to MongoDB and the passages to a Chroma server, on a host that takes over when it is ready."""
    year.mongodb.start()
    year.chroma.start()
    new = f"general:\n  inference_provider: extract\n{ROLE}{PARTS}"
    new += f"chroma: {{host: 127.0.0.1, port: {year.chroma.port}, collection: town}}\n"
    new += f"mongodb: {{uri: '{year.mongodb.uri}', database: orbit}}\n"
    year.second.write(new)
    target = str(year.second.folder / "config.yaml")
    assert "Copied and verified: 1 keys" in year.first.run("database", "copy", "--from", "config.yaml", "--to", target)
    year.serving = year.second
    ingest(year)
    year.second.start()
    year.balance(year.second)
    year.first.stop()


def add_a_host(year: Year) -> None:
    """Let the first machine serve again, on the servers that both share."""
    year.first.write((year.second.folder / "config.yaml").read_text())
    shutil.copytree(year.second.folder / "data" / "lexical", year.first.folder / "data" / "lexical", dirs_exist_ok=True)
    year.first.start()
    year.balance(year.first, year.second)


def change_the_embedding_model(year: Year) -> None:
    config = (year.second.folder / "config.yaml").read_text()
    config = config.replace("embedding_provider: wordllama", "embedding_provider: onnx") + "onnx: {model: minilm}\n"
    for host in (year.first, year.second):
        host.write(config)
        assert "onnx" in host.run("reload")
    year.second.run("collections", "re-embed", "town")


def lose_a_host(year: Year) -> None:
    year.first.stop(signal.SIGKILL)
    time.sleep(3)


def restore(year: Year) -> None:
    """Restore the backup from before the move, on another machine, which answers as the first did."""
    third = Host(year.folder / "third")
    third.run("restore", str(year.folder / "backup.tar.gz"))
    third.start()
    try:
        late = Clients(third.url, year.key, pause=0.0)
        late.start()
        deadline = time.monotonic() + 60
        while late.asked < 2 * len(FACTS) and time.monotonic() < deadline:
            time.sleep(0.05)
        late.end()
        assert (late.errors, late.wrong) == ([], [])
    finally:
        third.stop()


Step = Callable[[Year], Any]
SHORT: tuple[Step, ...] = (import_the_earlier_configuration, ingest, begin_to_ask, reload, rotate, back_up, restore)
YEAR: tuple[Step, ...] = (
    import_the_earlier_configuration,
    ingest,
    begin_to_ask_through_a_proxy,
    reload,
    rotate,
    back_up,
    move_to_servers,
    add_a_host,
    change_the_embedding_model,
    lose_a_host,
    restore,
)


@contextlib.contextmanager
def lived(
    folder: Path, steps: tuple[Step, ...], parts: str = EMBEDDED, tell: Callable[[str], object] = lambda _: None
) -> Iterator[Clients]:
    """Take the steps, and give what the clients saw."""
    year = Year(folder, parts)
    try:
        for step in steps:
            started = time.monotonic()
            step(year)
            clients = year.clients
            seen = f"{clients.asked} asked, {len(clients.errors)} errors, {len(clients.wrong)} wrong" if clients else ""
            tell(f"{step.__name__:35} {time.monotonic() - started:6.1f} s  {seen}")
        assert year.clients is not None
        yield year.clients
    finally:
        year.end()


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    """Live the whole year, and print what the clients saw."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp())
    folder.mkdir(exist_ok=True)
    with lived(folder, YEAR, tell=say) as clients:
        clients.end()
        share = 100 * len(clients.errors) / clients.asked
        say(f"{clients.asked} questions, {len(clients.errors)} errors ({share:.3f} %), {len(clients.wrong)} wrong")
        for line in (*clients.errors[:20], *clients.wrong[:20]):
            say(f"  {line}")
        sys.exit(bool(clients.wrong) or share >= 0.1)


if __name__ == "__main__":
    main()
