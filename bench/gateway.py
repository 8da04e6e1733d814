"""ORBIT's overhead on top of a model: whole chat turns against a bare ASGI application with the same upstream call.

    .venv/bin/python bench/gateway.py [--upstream fake|ollama] [--route chat|openai] [--clients 1,16]

A turn includes the key check and the chat log on disk. Both applications run under uvicorn (uvloop, httptools) in
separate processes; rounds alternate between them. Prints requests/s, the ratio of their medians over the rounds (aim:
at least 0.70 at 16 clients), and at one client the difference of the median latencies (aim: 1 ms).

With ``--upstream ollama``, ORBIT answers through orbit_ollama, and the bare application through the same client and
transport (aims: at least 0.80 at 1, 16 and 128 clients, and at most 0.8 ms added).

With ``--route openai``, it compares the same turn by ``/v1/chat/completions`` with ``/chat`` (aim: within 5 %).
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

import load
import msgspec

HERE = Path(__file__).parent
QUESTION = "How are you?"
UPSTREAMS = {
    "fake": ("fake_upstream:app", "bare:app", "/generate"),
    "ollama": ("ollama_upstream:app", "ollama_bare:app", ""),
}
"""Name -> the model server, the bare application, and the path that both bare application and plugin request."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upstream", choices=UPSTREAMS, default="fake", help="the model server behind both")
    parser.add_argument("--route", choices=("chat", "openai"), default="chat", help="what is compared, see above")
    parser.add_argument("--clients", default="1,16", help="numbers of clients, by commas")
    parser.add_argument("--seconds", type=float, default=3.0, help="seconds of each round")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each application")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        server, reference, path = UPSTREAMS[options.upstream]
        url = f"http://127.0.0.1:{stack.enter_context(_serving(server))}{path}"
        bare = stack.enter_context(_serving(reference, BENCH_UPSTREAM=url))
        orbit, key = stack.enter_context(_orbit(Path(folder), options.upstream, url))
        names = ("bare", "ORBIT") if options.route == "chat" else ("/chat", "openai")
        print(
            f"{'':18}{names[0] + ' req/s':>14}{names[1] + ' req/s':>14}{'ratio':>8}"
            f"{names[0] + ' p50':>14}{names[1] + ' p50':>14}{'added':>9}"
        )
        for stream in (False, True):
            compared = _compared(options.route, bare, orbit, key, stream=stream)
            for clients in map(int, options.clients.split(",")):
                _compare(compared, clients, options.seconds, options.rounds, "streamed" if stream else "plain")


def _compared(route: str, bare: int, orbit: int, key: str, *, stream: bool) -> list[tuple[int, bytes]]:
    """Return port and request of the reference and of the measured route."""
    chat = msgspec.json.encode({"message": QUESTION, "stream": stream})
    asked = (orbit, load.post(orbit, "/chat", chat, {"X-API-Key": key}))
    if route == "chat":
        return [(bare, load.post(bare, "/chat", chat, {})), asked]
    talk = {"model": "orbit", "messages": [{"role": "user", "content": QUESTION}], "stream": stream}
    body, bearer = msgspec.json.encode(talk), {"Authorization": f"Bearer {key}"}
    return [asked, (orbit, load.post(orbit, "/v1/chat/completions", body, bearer))]


def _compare(compared: list[tuple[int, bytes]], clients: int, seconds: float, rounds: int, what: str) -> None:
    """Measure both alternately and print a line."""
    for port, request in compared:
        load.run(port, request, clients, 0.5)  # warm up
    seen = [[load.run(port, request, clients, seconds) for port, request in compared] for _ in range(rounds)]
    rates = [statistics.median(run.per_second for run in runs) for runs in zip(*seen, strict=True)]
    medians = [statistics.median(run.median() * 1000 for run in runs) for runs in zip(*seen, strict=True)]
    what = f"{what}, {clients} client{'s' if clients > 1 else ''}"
    print(
        f"{what:18}{rates[0]:14.0f}{rates[1]:14.0f}{rates[1] / rates[0]:8.2f}"
        f"{medians[0]:11.2f} ms{medians[1]:11.2f} ms{medians[1] - medians[0]:6.2f} ms",
        flush=True,
    )


@contextlib.contextmanager
def _serving(application: str, **environment: str) -> Iterator[int]:
    """Run an ASGI application of this folder under uvicorn. Yields its port."""
    port = _free_port()
    command = [sys.executable, "-m", "uvicorn", application, "--app-dir", str(HERE), "--port", str(port)]
    command += ["--no-proxy-headers", "--loop", "uvloop", "--http", "httptools", "--no-access-log"]
    command += ["--log-level", "warning", "--timeout-keep-alive", "75"]  # connections survive from round to round
    with _process(command, port, environment):
        yield port


@contextlib.contextmanager
def _orbit(folder: Path, upstream: str, url: str) -> Iterator[tuple[int, str]]:
    """Run ORBIT with the plugin for this upstream. Yields its port and a key."""
    port = _free_port()
    command = [sys.executable, str(HERE / "gateway_orbit.py"), str(folder), upstream, url, str(port)]
    with _process(command, port, {}):
        yield port, (folder / "key").read_text()


@contextlib.contextmanager
def _process(command: list[str], port: int, environment: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(command, env={**os.environ, **environment})
    try:
        for _ in range(300):
            if process.poll() is not None:
                sys.exit(f"{command} ended with {process.returncode}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        yield
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
