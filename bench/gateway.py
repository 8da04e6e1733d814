"""What ORBIT adds to a model's own time: whole chat turns against a bare ASGI application with the same upstream call.

    .venv/bin/python bench/gateway.py [--upstream fake|ollama] [--clients 1,16] [--seconds 3] [--rounds 5]

The turn includes the key check and the chat log on disk. Both applications run under uvicorn (uvloop, httptools) in
processes of their own; rounds alternate between them. Printed are requests/s, the ratio of their medians over the
rounds (aim: at least 0.70 at 16 clients), and at one client the difference of the median latencies (aim: 1 ms).

With ``--upstream ollama`` ORBIT answers through orbit_ollama, and the bare application through the same client and
transport (aims: at least 0.80 at 1, 16 and 128 clients, and at most 0.8 ms added).
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
UPSTREAMS = {
    "fake": ("fake_upstream:app", "bare:app", "/generate"),
    "ollama": ("ollama_upstream:app", "ollama_bare:app", ""),
}
"""Name -> the model server, the bare application, and the path that both bare application and plugin ask."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upstream", choices=UPSTREAMS, default="fake", help="the model server behind both")
    parser.add_argument("--clients", default="1,16", help="numbers of clients, by commas")
    parser.add_argument("--seconds", type=float, default=3.0, help="seconds of each round")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each application")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        server, reference, path = UPSTREAMS[options.upstream]
        url = f"http://127.0.0.1:{stack.enter_context(_serving(server))}{path}"
        bare = stack.enter_context(_serving(reference, BENCH_UPSTREAM=url))
        orbit, key = stack.enter_context(_orbit(Path(folder), options.upstream, url))
        print(f"{'':18}{'bare req/s':>12}{'ORBIT req/s':>13}{'ratio':>8}{'bare p50':>11}{'ORBIT p50':>11}{'added':>9}")
        for stream in (False, True):
            body = msgspec.json.encode({"message": "How are you?", "stream": stream})
            for clients in map(int, options.clients.split(",")):
                requests = {
                    "bare": (bare, load.post(bare, "/chat", body, {})),
                    "orbit": (orbit, load.post(orbit, "/chat", body, {"X-API-Key": key})),
                }
                for port, request in requests.values():
                    load.run(port, request, clients, 0.5)  # warm up
                rates: dict[str, list[float]] = {"bare": [], "orbit": []}
                medians: dict[str, list[float]] = {"bare": [], "orbit": []}
                for _ in range(options.rounds):
                    for name, (port, request) in requests.items():
                        seen = load.run(port, request, clients, options.seconds)
                        rates[name].append(seen.per_second)
                        medians[name].append(seen.median() * 1000)
                per_second = {name: statistics.median(values) for name, values in rates.items()}
                p50 = {name: statistics.median(values) for name, values in medians.items()}
                what = f"{'streamed' if stream else 'plain'}, {clients} client{'s' if clients > 1 else ''}"
                print(
                    f"{what:18}{per_second['bare']:12.0f}{per_second['orbit']:13.0f}"
                    f"{per_second['orbit'] / per_second['bare']:8.2f}"
                    f"{p50['bare']:8.2f} ms{p50['orbit']:8.2f} ms{p50['orbit'] - p50['bare']:6.2f} ms",
                    flush=True,
                )


@contextlib.contextmanager
def _serving(application: str, **environment: str) -> Iterator[int]:
    """Run an ASGI application of this folder under uvicorn; yields its port."""
    port = _free_port()
    command = [sys.executable, "-m", "uvicorn", application, "--app-dir", str(HERE), "--port", str(port)]
    command += ["--no-proxy-headers", "--loop", "uvloop", "--http", "httptools", "--no-access-log"]
    command += ["--log-level", "warning", "--timeout-keep-alive", "75"]  # connections live from round to round
    with _process(command, port, environment):
        yield port


@contextlib.contextmanager
def _orbit(folder: Path, upstream: str, url: str) -> Iterator[tuple[int, str]]:
    """Run ORBIT with the plugin for this upstream; yields its port and a key."""
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
