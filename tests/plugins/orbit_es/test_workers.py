"""`orbit serve --workers 2`: the worker that sends is killed, and nothing is missing or there twice."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from orbit.auth.keys import new_key
from orbit.config import load_config
from orbit.database import open_database

ORBIT = str(Path(sys.executable).with_name("orbit"))
pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the system does not show who holds a lock"),
]


@contextlib.contextmanager
def serving(folder: Path, node: str) -> Iterator[tuple[int, httpx.Client]]:
    """The process id of the server, and a client with a key."""
    file = folder / "config.yaml"
    settings = {
        "general": {"data_dir": str(folder / "data")},
        "echo": {},
        "logging": {"file": {"directory": str(folder / "logs")}},
        "elasticsearch": {"node": node, "batch_seconds": 0.05, "request_timeout": 5.0, "retry_seconds": 0.2},
    }
    file.write_text(json.dumps(settings))

    async def make_key() -> str:
        config = load_config(str(file))
        config.data_dir.mkdir(parents=True)
        secret, record = new_key("test")
        async with open_database(config) as database:
            await database.create_key(record)
        return secret

    key = asyncio.run(make_key())
    command = [ORBIT, "serve", "--port", "0", "--workers", "2", "--config", str(file)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        eventually(lambda: "2 workers are ready" in (folder / "log").read_text())
        url = (folder / "log").read_text().partition("Starting at ")[2].split()[0]
        with httpx.Client(base_url=url, headers={"X-API-Key": key}, timeout=30) as client:
            yield process.pid, client
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


def eventually(check) -> None:
    end = time.monotonic() + 30
    while not check():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def holders(server: int, lock: Path) -> list[int]:
    """The workers that have the follower's lock file open."""
    children = [int(pid) for pid in Path(f"/proc/{server}/task/{server}/children").read_text().split()]
    return [pid for pid in children if str(lock) in opened(pid)]


def opened(pid: int) -> list[str]:
    found = []
    with contextlib.suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found.append(str(link.readlink()))
    return found


def test_another_worker_goes_on(tmp_path, wire):
    lock = tmp_path / "logs" / ".followers" / "elasticsearch" / "lock"
    with serving(tmp_path, wire.url) as (server, client):

        def ask(text: str) -> bool:
            with contextlib.suppress(httpx.TransportError):  # it was connected to the worker that was killed
                return client.post("/chat", json={"message": text, "stream": False}).status_code == 200
            return False

        assert all(ask(f"before {number}") for number in range(5))
        eventually(lambda: len(wire.arrivals) == 5)
        eventually(lambda: len(holders(server, lock)) == 1)
        (killed,) = holders(server, lock)
        os.kill(killed, signal.SIGKILL)
        answered = sum(ask(f"after {number}") for number in range(10))
        assert answered >= 9, "only the one connected to that worker may fail"
        eventually(lambda: len(wire.arrivals) >= 5 + answered)
        eventually(lambda: [pid for pid in holders(server, lock) if pid != killed])
    documents = wire.all_documents()
    assert len(documents) == len(wire.arrivals) == len(set(wire.arrivals)) == 5 + answered
    assert {document["elasticsearch_status"] for document in documents} == {"enabled"}
