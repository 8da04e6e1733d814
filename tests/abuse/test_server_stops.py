"""A stop always ends the process, whatever its threads, plugins and clients do, and what is to be kept is kept."""

import asyncio
import json
import os
import signal
import time
from pathlib import Path

import httpx
import pytest
from serve_kit import Reader, Served, eventually, make_key, served

pytestmark = pytest.mark.processes

BOTH = pytest.mark.parametrize("workers", ["1", "2"])
SHORT = "timeouts: {drain: 1, stop: 1}\n"

BUSY = """
import asyncio, time
import orbit

class Plugin(orbit.Provider):
    @orbit.hookimpl
    async def generate(self, messages, options, context):
        yield orbit.Chunk("begun ")
        await asyncio.to_thread(time.sleep, 600)
"""
BLOCKED = """
import time
import orbit

class Plugin(orbit.Provider):
    @orbit.hookimpl
    async def generate(self, messages, options, context):
        yield orbit.Chunk("begun ")
        time.sleep(0.5)
        time.sleep(600)
"""
STUBBORN = """
import asyncio
import orbit

class Plugin(orbit.Provider):
    @orbit.hookimpl
    async def generate(self, messages, options, context):
        yield orbit.Chunk("begun ")
        while True:
            try:
                await asyncio.sleep(600)
            except asyncio.CancelledError:
                pass

    async def __aexit__(self, *error):
        while True:
            try:
                await asyncio.sleep(600)
            except asyncio.CancelledError:
                pass
"""
CHILD = """
import asyncio, multiprocessing, threading, time
import orbit

class Plugin(orbit.Provider):
    @orbit.hookimpl
    async def generate(self, messages, options, context):
        yield orbit.Chunk("begun ")
        multiprocessing.get_context("spawn").Process(target=time.sleep, args=(600,)).start()
        threading.Thread(target=time.sleep, args=(600,)).start()
        await asyncio.sleep(600)
"""
STARTING = {
    "waits": "await asyncio.sleep(600)",
    "blocks": "time.sleep(600)",
    "swallows": "await self.swallow()",
}


def starting(step: str, how: str) -> str:
    return f"""
import asyncio, time
import orbit

class Plugin(orbit.Provider):
    async def {step}(self):
        print("HANGING", flush=True)
        {STARTING[how]}
        return self

    async def swallow(self):
        while True:
            try:
                await asyncio.sleep(600)
            except asyncio.CancelledError:
                pass

    @orbit.hookimpl
    async def generate(self, messages, options, context):
        yield orbit.Chunk("never")
"""


def chats(folder: Path) -> list[dict[str, object]]:
    lines = [line for file in sorted((folder / "logs").glob("chat-*.log")) for line in file.read_bytes().splitlines()]
    return [json.loads(line) for line in lines]


@BOTH
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_busy_thread_does_not_keep_the_process(tmp_path: Path, workers: str, number: signal.Signals) -> None:
    with served(tmp_path, "busy: {}\n" + SHORT, "--workers", workers, plugins={"busy": BUSY}) as server:
        reader = Reader(server)
        assert reader.begun.wait(20)
        server.process.send_signal(number)
        assert server.finish() == 0
        reader.join()
    assert reader.frames[-1]["error"]["code"] == "server_stopping"


@BOTH
def test_children_and_threads_of_a_plugin_do_not_outlive_the_server(tmp_path: Path, workers: str) -> None:
    with served(tmp_path, "child: {}\n" + SHORT, "--workers", workers, plugins={"child": CHILD}) as server:
        reader = Reader(server)
        assert reader.begun.wait(20)
        time.sleep(1)
        server.process.terminate()
        assert server.finish() == 0
        reader.join()


@BOTH
@pytest.mark.parametrize("source", [BLOCKED, STUBBORN], ids=["blocked", "stubborn"])
def test_a_plugin_that_hangs_does_not_keep_the_process(tmp_path: Path, workers: str, source: str) -> None:
    server = Served(tmp_path, "hangs: {}\n" + SHORT, "--workers", workers, plugins={"hangs": source})
    server.key = key_of(server)
    server.wait_until_ready()
    reader = Reader(server)
    assert reader.begun.wait(20)
    server.process.terminate()
    status = server.finish()
    reader.join()
    assert status == (1 if workers == "1" else 0)
    assert "did not stop within" in server.log.read_text()
    eventually(lambda: not server.processes())


def key_of(server: Served) -> str:
    key: str = asyncio.run(make_key(server.folder / "config.yaml"))
    return key


@BOTH
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(("step", "how"), [("__aenter__", "waits"), ("ready", "waits"), ("__aenter__", "blocks")])
def test_a_signal_ends_a_start_that_hangs(
    tmp_path: Path, workers: str, number: signal.Signals, step: str, how: str
) -> None:
    config = "hangs: {}\ntimeouts: {stop: 1, start: 300}\n"
    server = Served(tmp_path, config, "--workers", workers, plugins={"hangs": starting(step, how)})
    eventually(lambda: server.log.read_text().count("HANGING") == int(workers))
    server.process.send_signal(number)
    status = server.finish()
    assert status == (1 if how == "blocks" and workers == "1" else 0)
    assert "Traceback" not in server.log.read_text()
    eventually(lambda: not server.processes())


def test_a_start_that_cannot_be_cancelled_is_ended_by_a_signal(tmp_path: Path) -> None:
    config = "hangs: {}\ntimeouts: {stop: 1, start: 300}\n"
    server = Served(tmp_path, config, plugins={"hangs": starting("__aenter__", "swallows")})
    eventually(lambda: "HANGING" in server.log.read_text())
    server.process.terminate()
    assert server.finish() == 1
    assert "did not stop within 1 s and is ended now" in server.log.read_text()


@BOTH
def test_a_second_control_c_cuts_answers_and_keeps_their_records(tmp_path: Path, workers: str) -> None:
    config = "script: {words: -1, delay: 0.05}\ntimeouts: {drain: 300}\n"
    with served(tmp_path, config, "--workers", workers, chat_log="logs") as server:
        readers = [Reader(server) for _ in range(5)]
        for reader in readers:
            assert reader.begun.wait(20)
        os.killpg(server.process.pid, signal.SIGINT)
        eventually(lambda: "Shutting down" in server.log.read_text())
        assert all(not reader.ended_well for reader in readers)
        os.killpg(server.process.pid, signal.SIGINT)
        assert server.finish() == 0
        for reader in readers:
            reader.join()
    records = chats(tmp_path)
    assert len(records) == 5
    assert all(record["response"] for record in records)
    assert "Traceback" not in server.log.read_text()


def test_a_worker_that_is_late_hears_both_signals(tmp_path: Path) -> None:
    config = "script: {words: -1, delay: 0.05}\ntimeouts: {drain: 300}\n"
    with served(tmp_path, config, "--workers", "2", chat_log="logs") as server:
        readers = [Reader(server) for _ in range(5)]
        for reader in readers:
            assert reader.begun.wait(20)
        late = server.workers()[0]
        os.kill(late, signal.SIGSTOP)
        server.process.send_signal(signal.SIGINT)
        eventually(lambda: "Shutting down" in server.log.read_text())
        server.process.send_signal(signal.SIGINT)
        eventually(lambda: server.workers() == [late])
        os.kill(late, signal.SIGCONT)
        assert server.finish() == 0
        for reader in readers:
            reader.join()
    assert len(chats(tmp_path)) == 5


def test_records_of_answers_that_have_ended_survive_a_second_control_c(tmp_path: Path) -> None:
    with served(tmp_path, "script: {words: 3}\ntimeouts: {drain: 300}\n", chat_log="logs") as server:
        for _ in range(50):
            assert server.ask(stream=False).status_code == 200
        server.process.send_signal(signal.SIGINT)
        time.sleep(0.6)
        server.process.send_signal(signal.SIGINT)
        assert server.finish() == 0
    assert len(chats(tmp_path)) == 50


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("arguments", [("--workers", "3"), ("--reload",)])
def test_a_signal_to_all_processes_while_some_begin(
    tmp_path: Path, number: signal.Signals, arguments: tuple[str, ...]
) -> None:
    server = Served(tmp_path, "echo: {}\n", *arguments)
    eventually(lambda: "Starting at" in server.log.read_text())
    time.sleep(0.4)
    os.killpg(server.process.pid, number)
    assert server.finish() == 0 or number == signal.SIGTERM
    eventually(lambda: not server.processes())
    assert "Traceback" not in server.log.read_text()


@BOTH
def test_nohup_makes_sighup_nothing(tmp_path: Path, workers: str) -> None:
    with served(tmp_path, "echo: {}\n", "--workers", workers, prefix=["nohup"]) as server:
        os.killpg(server.process.pid, signal.SIGHUP)
        time.sleep(1.5)
        assert server.readiness() == 200


@BOTH
def test_a_signal_that_comes_twice_at_once_is_one(tmp_path: Path, workers: str) -> None:
    """Tools send it to the process and to its group."""
    with served(tmp_path, "script: {words: 20, delay: 0.1}\n", "--workers", workers) as server:
        reader = Reader(server)
        assert reader.begun.wait(20)
        for _ in range(3):
            server.process.send_signal(signal.SIGINT)
            time.sleep(0.05)
        assert server.finish() == 0
        reader.join()
    assert reader.frames[-1]["finish_reason"] == "stop"


def test_a_worker_that_cannot_even_run_python_is_killed(tmp_path: Path) -> None:
    with served(tmp_path, "echo: {}\ntimeouts: {drain: 1, stop: 1}\n", "--workers", "2") as server:
        eventually(lambda: len(server.workers()) == 2)
        stuck = server.workers()[0]
        os.kill(stuck, signal.SIGSTOP)
        server.process.terminate()
        assert server.finish() == 0
        assert f"worker {stuck} did not end and is killed" in server.log.read_text()


def test_clients_that_never_read_do_not_keep_the_process(tmp_path: Path) -> None:
    with served(tmp_path, "script: {words: -1, delay: 0}\n" + SHORT) as server:
        body = {"message": "hello"}
        headers = {"X-API-Key": server.key}
        with (
            httpx.Client(timeout=60) as client,
            client.stream("POST", f"{server.url}/chat", json=body, headers=headers),
        ):
            time.sleep(1)
            server.process.terminate()
            assert server.finish() == 0
