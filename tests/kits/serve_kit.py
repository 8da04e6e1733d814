"""`orbit serve` as operators run it, for tests: a process of its own, with fake models and plugins to choose from."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from orbit.auth.keys import new_key
from orbit.config import load_config
from orbit.database import open_database

ORBIT = str(Path(sys.executable).with_name("orbit"))
FAKES = ("script", "shelf")
PATIENT = """
import asyncio, pathlib
import orbit
class Plugin(orbit.Provider):
    @orbit.hookimpl
    async def generate(self, messages, options, context):
        while not pathlib.Path("release").exists():
            yield orbit.Chunk("old ")
            await asyncio.sleep(0.05)
        yield orbit.Chunk("end")
"""
"""The source of a plugin whose answers go on until the file ``release`` exists."""


class Served:
    """One `orbit serve`, with fake models to choose from, in a process group of its own."""

    def __init__(
        self,
        folder: Path,
        config: str,
        *arguments: str,
        plugins: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
        database: Path | None = None,
        chat_log: str = "",
        **environment: str,
    ) -> None:
        """Start it. ``plugins`` are sources by plugin name, each with a class ``Plugin``.

        ``prefix`` begins the command; ``chat_log`` is the folder of the chat log, which is off without.
        """
        self.folder = folder
        self.url = ""
        self.log = folder / "log"
        file = folder / "config.yaml"
        path = database or folder / "orbit.db"
        records = f"{{directory: {folder / chat_log}}}" if chat_log else "{enabled: false}"
        file.write_text(f"sqlite: {{path: {path}}}\nlogging: {{file: {records}}}\n{config}")
        fakes = folder / "fakes" / "orbit_fakes-0.1.dist-info"
        fakes.mkdir(parents=True)
        (fakes / "METADATA").write_text("Metadata-Version: 2.1\nName: orbit-fakes\nVersion: 0.1\n")
        points = "".join(f"{name} = orbit.testing.fakes:{name.capitalize()}\n" for name in FAKES)
        for name, source in (plugins or {}).items():
            (fakes.parent / f"{name}_plugin.py").write_text(source)
            points += f"{name} = {name}_plugin:Plugin\n"
        (fakes / "entry_points.txt").write_text(f"[orbit]\n{points}")
        self.environment = {**os.environ, "PYTHONPATH": str(fakes.parent), "ORBIT_CONFIG": str(file), **environment}
        self.key = ""
        self.last_counted = 0.0
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*prefix, ORBIT, "serve", *([] if "--port" in arguments else ["--port=0"]), *arguments],
                env=self.environment,
                stdout=log,
                stderr=log,
                cwd=folder,
                start_new_session=True,
            )

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            for line in self.log.read_text().splitlines():
                if line.startswith("Starting at "):
                    self.url = line.split()[2]
            with contextlib.suppress(httpx.HTTPError):
                if self.url and self.readiness() == 200:
                    return
            time.sleep(0.1)
        raise TimeoutError(self.log.read_text())

    def readiness(self) -> int:
        return httpx.get(f"{self.url}/health/ready", timeout=10).status_code

    def counted(self, sample: str) -> float:
        """A sample of the metrics; it never falls from one look to the next, whichever worker shows it."""
        text = httpx.get(f"{self.url}/metrics", timeout=10).text
        values = [float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(sample)]
        value = values[0] if values else 0.0  # a sample appears with its first count
        assert value >= self.last_counted
        self.last_counted = value
        return value

    def ask(self, **body: Any) -> httpx.Response:
        headers = {"X-API-Key": self.key}
        return httpx.post(f"{self.url}/chat", json={"message": "hello", **body}, headers=headers, timeout=60)

    def finish(self) -> int:
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            raise

    def processes(self) -> list[int]:
        """The processes of the group that are left."""
        found = []
        for status in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = status.read_text().rpartition(")")[2].split()
                if int(fields[2]) == self.process.pid and fields[0] != "Z":
                    found.append(int(status.parent.name))
        return found

    def workers(self) -> list[int]:
        """The worker processes: the children that serve, and not Python's resource tracker."""
        return [
            pid
            for pid in self.processes()
            if pid != self.process.pid and b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]


async def make_key(config: Path) -> str:
    secret, record = new_key("test")
    async with open_database(load_config(str(config))) as database:
        await database.create_key(record)
    return secret


@contextlib.contextmanager
def served(folder: Path, config: str, *arguments: str, **options: Any) -> Iterator[Served]:
    server = Served(folder, config, *arguments, **options)
    server.key = asyncio.run(make_key(folder / "config.yaml"))
    try:
        server.wait_until_ready()
        yield server
    finally:
        if server.process.poll() is None:
            server.process.terminate()
        server.finish()
        deadline = time.monotonic() + 10
        while server.processes() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not server.processes()


def refused(folder: Path, config: str, *arguments: str, **options: Any) -> str:
    """What a server that does not start says."""
    server = Served(folder, config, *arguments, **options)
    assert server.finish() == 1
    return server.log.read_text()


class Reader(threading.Thread):
    """Reads a streamed answer and keeps its frames."""

    def __init__(self, server: Served) -> None:
        super().__init__()
        self.frames: list[dict[str, Any]] = []
        self.begun = threading.Event()
        self.ended_well = False
        self._server = server
        self.start()

    def run(self) -> None:
        headers = {"X-API-Key": self._server.key}
        with (
            contextlib.suppress(httpx.HTTPError),
            httpx.stream(
                "POST", f"{self._server.url}/chat", json={"message": "hello"}, headers=headers, timeout=60
            ) as response,
        ):
            for line in response.iter_lines():
                if line.startswith("data: "):
                    self.frames.append(json.loads(line[6:]))
                    self.begun.set()
            self.ended_well = True


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
