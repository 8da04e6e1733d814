"""Routing of models: its cost for a turn, and what clients notice while one of two equal upstreams fails.

    .venv/bin/python bench/routing.py [--seconds 60] [--clients 16] [--rounds 40] [--turns 200]

The cost is CPU time of a whole turn in this process, on uvloop, by a provider that does nothing: with a model of two
providers, a fallback and options, against the only provider of a configuration without models. Blocks of turns
alternate between both. The faults run against a server and two stand-ins of OpenAI's wire in processes of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import uvloop
from orbit_openai import OpenAIProvider
from orbit_server import run_orbit

import orbit
from orbit.chat.pipeline import Pipeline
from orbit.chat.turn import Turn
from orbit.testing import host

AIM_MICROSECONDS = 20.0
AIM_FAILED = 0.001
AIM_CALLS = 1.2
AIM_SPREAD = 0.1
CONNECT_SECONDS = 2.0
FIRST_TOKEN_SECONDS = 2.0
FAULTS = ("ok", "dead", "hanging", "failing")
CONTEXT = orbit.CallContext("bench", key_id="bench")


class Nothing(orbit.Provider):
    """Answers with one word."""

    @orbit.hookimpl
    async def generate(
        self, messages: Sequence[orbit.Message], options: orbit.GenerateOptions, context: orbit.CallContext
    ) -> AsyncIterator[orbit.Chunk]:
        yield orbit.Chunk("word", "stop")


MODELS = {
    "default": "fast",
    "fast": {"provider": ["one", "two"], "fallback": "last", "options": {"temperature": 0.5}},
    "last": {"provider": "three"},
}
ALONE: dict[str, Any] = {"one": {"use": "nothing"}}
ROUTED: dict[str, Any] = {name: {"use": "nothing"} for name in ("one", "two", "three")} | {"models": MODELS}


async def microseconds(pipeline: Pipeline, turns: int) -> float:
    """Return the CPU time of one turn in microseconds, over a block of turns."""
    started = time.process_time()
    for _ in range(turns):
        async for _ in pipeline.answer(Turn("a question", CONTEXT)):
            pass
    return (time.process_time() - started) / turns * 1e6


async def cost(rounds: int, turns: int) -> None:
    """Print what routing adds to a turn."""
    async with AsyncExitStack() as stack:
        pipelines = []
        for config in (ALONE, ROUTED):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            running = await stack.enter_async_context(host(config, folder, {"nothing": Nothing}))
            pipelines.append(await stack.enter_async_context(Pipeline(running)))
        times = []
        for number in range(rounds + 1):
            pair = [await microseconds(pipeline, turns) for pipeline in pipelines]
            if number:  # the first round warms up
                times.append(pair)
            await asyncio.sleep(0)
    alone, routed = (statistics.median(side) for side in zip(*times, strict=True))
    added = statistics.median(pair[1] - pair[0] for pair in times)
    print(f"a turn: {alone:.1f} µs with the only provider, {routed:.1f} µs with a model of two and a fallback")
    print(f"routing adds {added:.1f} µs (aim: at most {AIM_MICROSECONDS:g} µs)", flush=True)


class Seen:
    """What the clients of one run noticed. Latencies are in seconds."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.failed = 0
        self.calls: list[int] = []

    def quantile(self, share: float) -> float:
        """Return the latency that this share of the answers kept."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def crowd(port: int, key: str, clients: int, seconds: float) -> Seen:
    """Ask the server from so many clients for so many seconds."""
    seen = Seen()
    end = time.perf_counter() + seconds
    body = msgspec.json.encode({"message": "May I?", "stream": False})
    headers = {"X-API-Key": key, "Content-Type": "application/json"}

    async def client(session: aiohttp.ClientSession) -> None:
        while (started := time.perf_counter()) < end:
            async with session.post(f"http://127.0.0.1:{port}/chat", data=body, headers=headers) as response:
                await response.read()
                seen.latencies.append(time.perf_counter() - started)
                seen.failed += response.status != 200  # OK

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(client(session) for _ in range(clients)))
    return seen


async def counted(port: int) -> int:
    """Return how many chats a stand-in was asked for; a dead one counts none."""
    try:
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/count") as response:
            return int(await response.read())
    except aiohttp.ClientConnectorError:
        return 0


def free_port() -> int:
    """Return a port that nobody uses now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def process(*arguments: str) -> Iterator[None]:
    """Run a script of this folder."""
    running = subprocess.Popen([sys.executable, *arguments], cwd=Path(__file__).parent)  # our own
    try:
        yield
    finally:
        running.terminate()
        running.wait(20)


async def answers(port: int) -> None:
    """Wait until a port answers."""
    for _ in range(600):
        try:
            async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/health/live"):
                return
        except aiohttp.ClientError:
            await asyncio.sleep(0.1)
    raise TimeoutError(f"nothing answers on port {port}")


async def with_fault(fault: str, clients: int, seconds: float) -> Seen:
    """Return what clients notice while the first of two upstreams has a fault."""
    ports = [free_port() for _ in range(3)]
    with (
        tempfile.TemporaryDirectory() as folder,
        process("routing_upstream.py", fault, str(ports[0]), "ok", str(ports[1])),
    ):
        await answers(ports[1])
        with process("routing.py", "--serve", folder, *map(str, ports)):
            await answers(ports[2])
            key = (Path(folder) / "key").read_text()
            seen = await crowd(ports[2], key, clients, seconds)
            seen.calls = [await counted(port) for port in ports[:2]]
            return seen


def serve(folder: str, one: str, two: str, port: str) -> None:
    """Serve ORBIT before two upstreams."""
    sections = {
        name: {
            "use": "openai",
            "base_url": f"http://127.0.0.1:{upstream}/v1",
            "model": "bench",
            "max_retries": 0,
            "connect_timeout": CONNECT_SECONDS,
            "start_timeout": 1,
            "require_server": False,
        }
        for name, upstream in (("one", one), ("two", two))
    }
    models = {"bench": {"provider": ["one", "two"]}}
    logging = {"level": "ERROR", "file": {"directory": f"{folder}/logs"}}  # each failure is a warning
    config = {**sections, "models": models, "logging": logging, "timeouts": {"first_token": FIRST_TOKEN_SECONDS}}
    run_orbit(config, Path(folder), {"openai": OpenAIProvider}, int(port))


async def faults(clients: int, seconds: float) -> None:
    """Print what clients notice of each fault."""
    titles = f"{'requests':>10}{'failed':>9}{'calls each':>11}{'p50 ms':>9}{'p99 ms':>9}{'added p99':>11}"
    print(f"{'one of two is':<14}{titles}")
    healthy = 0.0
    for fault in FAULTS:
        seen = await with_fault(fault, clients, seconds)
        number, p99 = len(seen.latencies), seen.quantile(0.99)
        healthy = healthy or p99
        calls = sum(seen.calls) / number
        print(
            f"{fault:<14}{number:>10}{seen.failed / number:>9.2%}{calls:>11.3f}{seen.quantile(0.5) * 1e3:>9.1f}"
            f"{p99 * 1e3:>9.1f}{(p99 - healthy) * 1e3:>11.1f}",
            flush=True,
        )
        if fault == "ok":
            spread = abs(seen.calls[0] - seen.calls[1]) / sum(seen.calls)
            print(f"{'':<14}spread over both: {seen.calls}, {spread:.1%} apart (aim: within {AIM_SPREAD:.0%})")
    print(
        f"aims: at most {AIM_FAILED:.1%} failed, {AIM_CALLS:g} calls of upstreams for a request, p99 at most "
        f"{CONNECT_SECONDS * 1e3:g} ms above that of two healthy ones"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--turns", type=int, default=200)
    parser.add_argument("--serve", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(*given.serve)
    else:
        uvloop.run(cost(given.rounds, given.turns))
        uvloop.run(faults(given.clients, given.seconds))
