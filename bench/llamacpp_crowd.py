"""Many clients, and as many that disconnect midway, on a server with the llama.cpp engine.

    .venv/bin/python bench/llamacpp_crowd.py [--rounds 20] [--people 50]

In each round, 50 clients wait for an answer and 50 more disconnect at a random moment, while a separate process keeps
requesting ``/health``. The model is tiny (generated on the spot), so the server does most of the work. Prints the
latency of ``/health`` (aim: slowest under 50 ms) and leftovers in the engine (aim: none). Prints faults and exits with
status 1 if there are any.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import json
import multiprocessing
import random
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from llamacpp import free_port, orbit, process
from llamacpp_process import write_model

COMMAND = str(Path(sys.executable).with_name("orbit"))
SETTLED = ("sequences_busy", "queued", "failed_total")


def watch(port: int, stop: Connection) -> None:
    """Request ``/health`` fifty times a second until told to stop. Send the durations in seconds, and the faults."""
    waits: list[float] = []
    problems: list[str] = []
    while not stop.poll(0.02):
        start = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", "/health")
        text = connection.getresponse().read().decode()
        connection.close()
        waits.append(time.perf_counter() - start)
        if json.loads(text)["status"] != "ok":
            problems.append(text)
    stop.send((sorted(waits[1:]), problems))  # the first request waited for imports


@contextlib.contextmanager
def server(folder: Path, people: int) -> Iterator[tuple[int, str]]:
    """Run ``orbit serve``. Yields its port and a key."""
    config, port = folder / "config.yaml", free_port()
    engine = {"model_path": str(write_model(folder / "tiny.gguf")), "n_ctx": 512, "n_threads": 1, "max_tokens": 96}
    content = {
        "general": {"data_dir": str(folder / "data"), "port": port},
        "logging": {"level": "ERROR", "file": {"enabled": False}},
        "metrics": {"access": "open"},
        "limits": {"max_concurrent": 2 * people},
        "llama_cpp": {**engine, "queue_size": 2 * people},
    }
    config.write_text(json.dumps(content))
    create = [COMMAND, "keys", "create", "--config", str(config), "--name", "crowd", "--json"]
    made = json.loads(subprocess.run(create, check=True, capture_output=True, text=True).stdout)
    with process(COMMAND, "serve", "--config", str(config), port=port):
        yield port, made.get("api_key") or made["key"]


async def leave(port: int, key: str, seconds: float) -> None:
    """Request a stream and disconnect after so many seconds."""
    body = json.dumps({"message": "Go on.", "stream": True})
    head = f"Host: 127.0.0.1\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"POST /chat HTTP/1.1\r\n{head}\r\n\r\n{body}".encode())
    await asyncio.sleep(seconds)
    writer.transport.abort()


def figures(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as reply:
        text: str = reply.read().decode()
    found = re.findall(r'orbit_provider_figure\{[^}]*figure="(\w+)"[^}]*provider="llama_cpp"\} (\S+)', text)
    return {name: float(value) for name, value in found}


async def run(rounds: int, people: int, folder: Path) -> int:
    with server(folder, people) as (port, key):
        ask = orbit(port, {"": key})
        here, there = multiprocessing.Pipe()
        watcher = multiprocessing.get_context("spawn").Process(target=watch, args=(port, there))
        watcher.start()
        answered = 0
        for _ in range(rounds):
            leaving = [leave(port, key, random.random() * 2) for _ in range(people)]
            answers, _ = await asyncio.gather(
                asyncio.gather(*(ask("", "Hello?") for _ in range(people))), asyncio.gather(*leaving)
            )
            answered += sum(answer.tokens > 0 for answer in answers)
        here.send(None)
        waits, problems = await asyncio.to_thread(here.recv)
        watcher.join()
        await asyncio.sleep(2)  # the engine reports its counters once a second
        left = figures(port)
    problems += [f"{name} is {left[name]:g}" for name in SETTLED if left[name]]
    problems += [] if answered == rounds * people else [f"only {answered} answers"]
    print(f"{answered} answers, {left['cancelled_total']:g} of {rounds * people} who left were still being answered")
    print(f"/health: asked {len(waits)} times, median {waits[len(waits) // 2] * 1000:.1f} ms, p99 "
          f"{waits[int(len(waits) * 0.99)] * 1000:.1f} ms, slowest {waits[-1] * 1000:.1f} ms (aim 50)")  # fmt: skip
    for problem in problems[:20]:
        print("PROBLEM:", problem)
    return bool(problems)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20, help="how often the crowd comes")
    parser.add_argument("--people", type=int, default=50, help="clients who stay, and clients who leave")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(asyncio.run(run(options.rounds, options.people, Path(folder))))


if __name__ == "__main__":
    main()
