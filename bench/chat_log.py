"""The cost of the chat log: requests/s with it off, in files, in files and Elasticsearch, and with a hanging one.

    .venv/bin/python bench/chat_log.py [--clients 16] [--seconds 3] [--rounds 5] [--stream]

Each variant is a separate ORBIT process in front of the fake upstream; rounds alternate between them. Elasticsearch is
the stand-in of the tests, in another process that shares the cores. Aims: files at least 0.95 of off, and hanging not
worse than healthy. CPU time per request shows the same, more steadily on a busy machine. After the rounds the files
must contain one whole line per answer.

(The name is not ``logging.py``, because scripts in this folder would import it instead of Python's own module.)
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
from typing import Any

import load
import msgspec

HERE = Path(__file__).parent
WIRE = HERE.parent / "tests" / "wires" / "elasticsearch_wire.py"
VARIANTS = ("off", "files", "elasticsearch", "hanging")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=3.0, help="seconds of each round")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each variant")
    parser.add_argument("--stream", action="store_true", help="streamed answers")
    parser.add_argument(
        "--serve", nargs=4, metavar=("VARIANT", "FOLDER", "UPSTREAM", "ELASTICSEARCH"), help="used by itself"
    )
    options = parser.parse_args()
    if options.serve:
        serve(*options.serve)
    else:
        compare(options)


def compare(options: argparse.Namespace) -> None:
    body = msgspec.json.encode({"message": "How are you?", "stream": options.stream})
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        upstream = stack.enter_context(_upstream())
        targets: dict[str, tuple[int, bytes]] = {}
        pids: dict[str, int] = {}
        for variant in VARIANTS:
            elasticsearch = ""
            if variant in {"elasticsearch", "hanging"}:
                port, _ = stack.enter_context(
                    _printing_port([str(WIRE), *(["--hang"] if variant == "hanging" else [])])
                )
                elasticsearch = f"http://127.0.0.1:{port}"
            own = Path(folder) / variant
            own.mkdir()
            command = [__file__, "--serve", variant, str(own), f"http://127.0.0.1:{upstream}/generate", elasticsearch]
            port, pids[variant] = stack.enter_context(_printing_port(command))
            key = (own / "key").read_text()
            targets[variant] = (port, load.post(port, "/chat", body, {"X-API-Key": key}))
        answers = dict.fromkeys(VARIANTS, 0)
        rates: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
        costs: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
        for variant, (port, request) in targets.items():
            answers[variant] += len(load.run(port, request, options.clients, 0.5).latencies)
        for number in range(options.rounds):
            for variant in (
                VARIANTS[number % 4 :] + VARIANTS[: number % 4]
            ):  # vary the order, so that no variant always follows the same one
                before = _cpu_seconds(pids[variant])
                seen = load.run(*targets[variant], options.clients, options.seconds)
                costs[variant].append((_cpu_seconds(pids[variant]) - before) / len(seen.latencies) * 1e6)
                answers[variant] += len(seen.latencies)
                rates[variant].append(seen.per_second)
        print(f"{'':16}{'req/s':>8}{'of off':>9}{'CPU/req':>12}{'of off':>9}{'lines':>9}{'answers':>9}")
        time.sleep(1.0)  # every record must be on disk by then
        for variant in VARIANTS:
            ratio = statistics.median(rate / base for rate, base in zip(rates[variant], rates["off"], strict=True))
            lines = _lines(Path(folder) / variant / "logs")
            assert variant == "off" or lines == answers[variant], "a line for each answer"
            cost, base = statistics.median(costs[variant]), statistics.median(costs["off"])
            print(
                f"{variant:16}{statistics.median(rates[variant]):8.0f}{ratio:9.3f}"
                f"{cost:9.0f} µs{base / cost:9.3f}{lines:9}{answers[variant]:9}"
            )


def serve(variant: str, folder: str, upstream: str, elasticsearch: str) -> None:
    """Run one ORBIT process and print its port."""
    # ruff: noqa: PLC0415  the comparing process needs nothing of this
    import uvicorn
    from gateway_plugin import FakeUpstream
    from orbit_server import make_orbit

    logs = str(Path(folder) / "logs")
    config: dict[str, Any] = {
        "upstream": {"url": upstream},
        "logging": {"level": "ERROR", "file": {"enabled": variant != "off", "directory": logs}},
    }
    if elasticsearch:
        config["elasticsearch"] = {"node": elasticsearch}
    app = make_orbit(config, Path(folder), {"upstream": FakeUpstream})
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1024)
        print(listener.getsockname()[1], flush=True)
        settings = uvicorn.Config(app, loop="uvloop", http="httptools", access_log=False, log_config=None)
        uvicorn.Server(settings).run([listener])


@contextlib.contextmanager
def _upstream() -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "fake_upstream:app", "--app-dir", str(HERE), "--port", str(port)]
    command += ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    process = subprocess.Popen(command)
    try:
        for _ in range(300):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(30)


@contextlib.contextmanager
def _printing_port(command: list[str]) -> Iterator[tuple[int, int]]:
    """Run a program that prints its port. Yields the port and the process id."""
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline()), process.pid
    finally:
        process.terminate()
        process.wait(30)


def _cpu_seconds(pid: int) -> float:
    """Return the CPU seconds that a process has used so far, over all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _lines(directory: Path) -> int:
    if not directory.exists():
        return 0
    lines = [line for path in directory.glob("chat-*.log") for line in path.read_bytes().splitlines()]
    for line in lines:
        msgspec.json.decode(line)
    return len(lines)


if __name__ == "__main__":
    main()
