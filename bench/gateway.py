"""ORBIT's overhead on top of a model: whole chat turns against a bare ASGI application with the same upstream call.

    .venv/bin/python bench/gateway.py [--upstream fake|ollama] [--route chat|openai|tools] [--clients 1,16]

A turn includes the key check and the chat log on disk. Both applications run under uvicorn (uvloop, httptools) in
separate processes; rounds alternate between them. Prints requests/s, the ratio of their medians over the rounds (aim:
at least 0.70 at 16 clients), at one client the difference of the median latencies (aim: 1 ms), and on Linux how much
more processor time the second one takes for a request than the first one in the same round: the median of the rounds.
Processor time says more than requests/s on a machine that is busy: try ``--rounds 40 --seconds 0.3``.

With ``--upstream ollama``, ORBIT answers through orbit_ollama, and the bare application through the same client and
transport (aims: at least 0.80 at 1, 16 and 128 clients, and at most 0.8 ms added).

With ``--route openai``, it compares the same turn by ``/v1/chat/completions`` with ``/chat`` (aim: within 5 %).

With ``--route tools``, it compares ORBIT without and with an MCP server, for turns that call no tool: with a model that
cannot call tools (aim: 2 % of processor time), and with one that is offered those of the server.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import load
import msgspec

HERE = Path(__file__).parent
QUESTION = "How are you?"
UPSTREAMS = {
    "fake": ("fake_upstream:app", "bare:app", "/generate"),
    "ollama": ("ollama_upstream:app", "ollama_bare:app", ""),
}
"""Name -> the model server, the bare application, and the path that both bare application and plugin request."""
NAMES = {"chat": ("bare", "ORBIT"), "openai": ("/chat", "openai"), "tools": ("no tools", "tools")}


class Side(NamedTuple):
    """One of the two that are compared: a request, and the server process that answers it."""

    port: int
    pid: int
    request: bytes

    def load(self, clients: int, seconds: float) -> Measured:
        """Measure for some seconds."""
        before = _processor_seconds(self.pid)
        seen = load.run(self.port, self.request, clients, seconds)
        spent = (_processor_seconds(self.pid) - before) / len(seen.latencies)
        return Measured(seen.per_second, seen.median() * 1e3, spent * 1e6)


class Measured(NamedTuple):
    """A round: requests/s, the median of the latencies in ms, and processor time for a request in µs."""

    rate: float
    median: float
    spent: float


class Orbit(NamedTuple):
    """A running ORBIT, and a key of it."""

    port: int
    pid: int
    key: str

    def chat(self, *, stream: bool, model: str = "") -> Side:
        """Return the request of a turn by ``/chat``."""
        named = {"model": model} if model else {}
        body = msgspec.json.encode({"message": QUESTION, "stream": stream, **named})
        return Side(self.port, self.pid, load.post(self.port, "/chat", body, {"X-API-Key": self.key}))

    def completion(self, *, stream: bool) -> Side:
        """Return the request of the same turn by ``/v1/chat/completions``."""
        talk = {"model": "orbit", "messages": [{"role": "user", "content": QUESTION}], "stream": stream}
        bearer = {"Authorization": f"Bearer {self.key}"}
        body = msgspec.json.encode(talk)
        return Side(self.port, self.pid, load.post(self.port, "/v1/chat/completions", body, bearer))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upstream", choices=UPSTREAMS, default="fake", help="the model server behind both")
    parser.add_argument("--route", choices=NAMES, default="chat", help="what is compared, see above")
    parser.add_argument("--clients", default="1,16", help="numbers of clients, by commas")
    parser.add_argument("--seconds", type=float, default=3.0, help="seconds of each round")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each application")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        server, reference, path = UPSTREAMS[options.upstream]
        url = f"http://127.0.0.1:{stack.enter_context(_serving(server))[0]}{path}"
        compared = _compared(stack, options.route, Path(folder), options.upstream, url, reference)
        one, other = NAMES[options.route]
        print(
            f"{'':24}{one + ' req/s':>14}{other + ' req/s':>14}{'ratio':>8}"
            f"{one + ' p50':>14}{other + ' p50':>14}{'added':>9}{'added CPU':>12}{'ratio':>7}"
        )
        for what, sides in compared:
            for clients in map(int, options.clients.split(",")):
                _compare(sides, clients, options.seconds, options.rounds, what)


def _compared(
    stack: contextlib.ExitStack, route: str, folder: Path, upstream: str, url: str, reference: str
) -> list[tuple[str, tuple[Side, Side]]]:
    """Start the servers, and return for each line of the table what it is and which two sides it compares."""
    kinds = (("plain", False), ("streamed", True))
    if route == "tools":
        without, offering = (stack.enter_context(_orbit(folder / name, name, url)) for name in ("models", "tools"))
        return [
            (f"{kind}, {what}", (without.chat(stream=stream, model=model), offering.chat(stream=stream, model=model)))
            for model, what in (("unable", "unable"), ("able", "offered"))
            for kind, stream in kinds
        ]
    orbit = stack.enter_context(_orbit(folder, upstream, url))
    if route == "openai":
        return [(kind, (orbit.chat(stream=stream), orbit.completion(stream=stream))) for kind, stream in kinds]
    port, pid = stack.enter_context(_serving(reference, BENCH_UPSTREAM=url))
    bodies = [msgspec.json.encode({"message": QUESTION, "stream": stream}) for _, stream in kinds]
    return [
        (kind, (Side(port, pid, load.post(port, "/chat", body, {})), orbit.chat(stream=stream)))
        for (kind, stream), body in zip(kinds, bodies, strict=True)
    ]


def _compare(sides: tuple[Side, Side], clients: int, seconds: float, rounds: int, what: str) -> None:
    """Measure both alternately and print a line."""
    for side in sides:
        side.load(clients, 0.5)  # warm up
    seen = [[side.load(clients, seconds) for side in sides] for _ in range(rounds)]
    one, other = (Measured(*map(statistics.median, zip(*runs, strict=True))) for runs in zip(*seen, strict=True))
    spent = [(runs[0].spent, runs[1].spent) for runs in seen if runs[0].spent]
    added = statistics.median(second - first for first, second in spent) if spent else 0.0
    times = statistics.median(second / first for first, second in spent) if spent else 0.0
    what = f"{what}, {clients} client{'s' if clients > 1 else ''}"
    print(
        f"{what:28}{one.rate:10.0f}{other.rate:14.0f}{other.rate / one.rate:8.2f}"
        f"{one.median:11.2f} ms{other.median:11.2f} ms{other.median - one.median:6.2f} ms"
        f"{added:9.1f} µs{times:7.2f}",
        flush=True,
    )


def _processor_seconds(pid: int) -> float:
    """Return the processor time of a process so far; 0 on other systems than Linux."""
    return time.clock_gettime((~pid << 3) | 2) if sys.platform == "linux" else 0.0  # as clock_getcpuclockid does


@contextlib.contextmanager
def _serving(application: str, **environment: str) -> Iterator[tuple[int, int]]:
    """Run an ASGI application of this folder under uvicorn. Yields its port and process id."""
    port = _free_port()
    command = [sys.executable, "-m", "uvicorn", application, "--app-dir", str(HERE), "--port", str(port)]
    command += ["--no-proxy-headers", "--loop", "uvloop", "--http", "httptools", "--no-access-log"]
    command += ["--log-level", "warning", "--timeout-keep-alive", "75"]  # connections survive from round to round
    with _process(command, port, environment) as pid:
        yield port, pid


@contextlib.contextmanager
def _orbit(folder: Path, upstream: str, url: str) -> Iterator[Orbit]:
    """Run ORBIT with the plugins for this upstream."""
    folder.mkdir(exist_ok=True)
    port = _free_port()
    command = [sys.executable, str(HERE / "gateway_orbit.py"), str(folder), upstream, url, str(port)]
    with _process(command, port, {}) as pid:
        yield Orbit(port, pid, (folder / "key").read_text())


@contextlib.contextmanager
def _process(command: list[str], port: int, environment: dict[str, str]) -> Iterator[int]:
    process = subprocess.Popen(command, env={**os.environ, **environment})
    try:
        for _ in range(300):
            if process.poll() is not None:
                sys.exit(f"{command} ended with {process.returncode}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
