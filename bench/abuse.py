"""Overloads a server: time to a refusal, fairness among keys, and memory afterwards.

    .venv/bin/python bench/abuse.py [--short]

Three runs against a real server in its own process, whose model is a script:

1. Overload: two keys, one with four times as many clients, offer about five times the server's capacity. Prints the
   time to a refusal (aim: a 99th percentile of 100 ms) and the answers of each key (aim: within 20 %).
2. 1,000 concurrent streams: how many arrive complete and in order (aim: all).
3. Many consecutive turns from 16 clients: memory after a third of them and at the end (aim: flat).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import resource
import socket
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from orbit.auth.keys import new_key
from orbit.database import open_database
from orbit.serving.listening import bind
from orbit.serving.server import make_server
from orbit.testing import make_host
from orbit.web.app import create_app

PLACES, QUEUE, TURN_SECONDS = 16, 32, 0.05
KEYS = ("crowd", "modest")
STREAMS, WORDS = 1_000, 20
_WARM_UP = 3.0
"""Seconds excluded from the figures: 500 clients connect at once."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="5 seconds of overload and 3,000 turns")
    short = parser.parse_args().short
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    limits = {"max_concurrent": PLACES, "max_queued": QUEUE}
    with served({"script": {"words": 1, "first_delay": TURN_SECONDS}, "limits": limits}) as server:
        uvloop.run(overload(server, 5.0 if short else 20.0))
    limits = {"max_concurrent": STREAMS, "max_queued": STREAMS}
    with served({"script": {"words": WORDS, "delay": 0.2}, "limits": limits}) as server:
        uvloop.run(streams(server))
    with served({"echo": {}}) as server:  # the script remembers its questions
        uvloop.run(memory(server, 3_000 if short else 30_000))


@dataclass
class Served:
    """A running server: port, process and a secret for each of ``KEYS``."""

    port: int
    pid: int
    secrets: dict[str, str]

    def rss(self) -> float:
        """Return its memory in MB."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * resource.getpagesize() / 1e6

    def request(self, key: str, *, stream: bool) -> bytes:
        body = json.dumps({"message": "How are you?", "stream": stream})
        head = (
            f"POST /chat HTTP/1.1\r\nHost: x\r\nX-API-Key: {self.secrets[key]}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return (head + body).encode()


@contextlib.contextmanager
def served(config: dict[str, Any]) -> Iterator[Served]:
    with tempfile.TemporaryDirectory() as folder, bind("127.0.0.1", 0) as listener:
        logging = {"logging": {"level": "ERROR", "file": {"directory": f"{folder}/logs"}}}
        host = make_host({**logging, **config}, Path(folder))
        host.raise_problems()
        made = {name: new_key(name) for name in KEYS}

        async def keep() -> None:
            async with open_database(host.config) as database:
                for _, record in made.values():
                    await database.create_key(record)

        asyncio.run(keep())
        process = multiprocessing.get_context("fork").Process(target=serve, args=(host, listener))
        process.start()
        assert process.pid is not None
        try:
            yield Served(listener.getsockname()[1], process.pid, {name: secret for name, (secret, _) in made.items()})
        finally:
            process.terminate()
            process.join(30)


def serve(host: Any, listener: socket.socket) -> None:
    make_server(host.config, create_app(host.config, host)).run(sockets=[listener])


@dataclass
class Seen:
    """The observations of a key's clients."""

    answered: int = 0
    refusals: list[float] = field(default_factory=list)


async def overload(server: Served, seconds: float) -> None:
    seen = {name: Seen() for name in KEYS}
    begins = time.perf_counter() + _WARM_UP
    ends = begins + seconds
    pause = 400 / (
        4 * PLACES / TURN_SECONDS
    )  # so that, with about 400 refused clients, the load is five times the capacity

    async def client(name: str, number: int) -> None:
        await asyncio.sleep(pause * number / 500)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        request = server.request(name, stream=False)
        while time.perf_counter() < ends:
            started = time.perf_counter()
            writer.write(request)
            status = await whole(reader)
            if status == 200:
                seen[name].answered += started > begins
            else:
                if started > begins:
                    seen[name].refusals.append(time.perf_counter() - started)
                await asyncio.sleep(pause)
        writer.close()

    clients = [("crowd", number) for number in range(400)] + [("modest", number) for number in range(100)]
    await asyncio.gather(*(client(name, number) for name, number in clients))
    refusals = sorted(time for one in seen.values() for time in one.refusals)
    answered = [seen[name].answered for name in KEYS]
    asked = (len(refusals) + sum(answered)) / sum(answered)
    p50, p99 = (1000 * refusals[len(refusals) * percent // 100] for percent in (50, 99))
    print(f"overload: {asked:.1f} x; {len(refusals)} refused, after p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    print(f"shares: crowd {answered[0]}, modest {answered[1]} answers, ratio {answered[1] / answered[0]:.2f}")


async def streams(server: Served) -> None:
    wanted = "".join(f"word{number} " for number in range(WORDS))
    whole_ones = 0

    async def client() -> None:
        nonlocal whole_ones
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(server.request("crowd", stream=True))
        body = await reader.readuntil(b"0\r\n\r\n")
        frames = [json.loads(line[6:]) for line in body.split(b"\n") if line.startswith(b"data: ")]
        whole_ones += "".join(frame["text"] for frame in frames) == wanted and frames[-1]["finish_reason"] == "stop"
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(STREAMS)))
    print(
        f"streams: {whole_ones} of {STREAMS} whole after {time.perf_counter() - started:.1f} s; {server.rss():.0f} MB"
    )


async def memory(server: Served, turns: int) -> None:
    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        request = server.request("crowd", stream=False)
        for _ in range(number):
            writer.write(request)
            assert await whole(reader) == 200
        writer.close()

    figures = []
    for _ in range(3):
        await asyncio.gather(*(client(turns // 48) for _ in range(16)))
        figures.append(server.rss())
    print(f"memory: {', '.join(f'{figure:.1f}' for figure in figures)} MB after each third of {turns} turns")


async def whole(reader: asyncio.StreamReader) -> int:
    """Read a response and return its status."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    await reader.readexactly(length)
    return int(head.split(b" ")[1])


if __name__ == "__main__":
    main()
