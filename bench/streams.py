"""Many concurrent slow streams through orbit_ollama: lost, late or reordered tokens.

    .venv/bin/python bench/streams.py [--streams 500] [--rate 20] [--seconds 60]

Every stream writes ``rate`` numbered tokens a second for so many seconds. Prints the tokens lost or out of order (aim:
none), the time between two tokens at the client (aim: the 99th percentile at most 1.5 times the upstream's pace), and
CPU and memory per stream. A few streams come from the upstream directly: they show the jitter of the machine itself.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import load
import msgspec
import uvloop
from gateway import HERE, _free_port, _process

_TEXT = re.compile(rb'"(?:text|content)":"((?:\d+ )+)"')
_ENDS = (b'"finish_reason":"stop"', b'"done_reason":"stop"')
_DIRECT = 10


class Stream(asyncio.Protocol):
    """A client that reads one answer and records when each token arrives."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._rest = b""
        self.first = 0.0
        self.last = 0.0
        self.gaps: list[float] = []
        self.tokens: list[int] = []
        self.finished = False
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the request."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]  # a TCP connection
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Record the tokens of whole frames."""
        now = time.perf_counter()
        frames, found, self._rest = (self._rest + data).rpartition(b"\n")
        if not found:
            self._rest = frames + self._rest
            return
        for match in _TEXT.finditer(frames):
            if self.tokens:
                self.gaps.append(now - self.last)
            else:
                self.first = now
            self.last = now
            self.tokens += map(int, match[1].split())
        if any(end in frames for end in _ENDS):
            self.finished = True
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # the protocol's signature
        """Report the end."""
        if not self.done.done():
            self.done.set_result(None)


async def open_streams(port: int, request: bytes, streams: int) -> list[Stream]:
    """Start streams evenly within one second."""
    loop = asyncio.get_running_loop()
    started = []
    for _ in range(streams):
        _, protocol = await loop.create_connection(lambda: Stream(request), "127.0.0.1", port)
        started.append(protocol)
        await asyncio.sleep(1.0 / streams)
    return started


async def run(
    port: int, request: bytes, upstream: int, streams: int, gap: float, seconds: float, process: int
) -> tuple[list[Stream], list[Stream]]:
    """Run the streams through ORBIT, and a few from the upstream directly. Print CPU and memory."""
    before = _resident(process)
    direct_request = load.post(upstream, "/api/chat", b"{}", {})
    started, direct = await asyncio.gather(
        open_streams(port, request, streams), open_streams(upstream, direct_request, _DIRECT)
    )
    await asyncio.sleep(seconds / 2)
    used, cpu, began = _resident(process) - before, _cpu(process), time.perf_counter()
    await asyncio.sleep(seconds / 4)
    share = (_cpu(process) - cpu) / (time.perf_counter() - began)
    rate = streams / gap
    print(f"memory       {used / streams / 1024:.0f} KiB for each stream ({before / 2**20:.0f} MiB before)")
    print(f"CPU          {share:.2f} cores for {rate:.0f} tokens/s, {share / rate * 1e6:.0f} µs for each")
    await asyncio.wait_for(asyncio.gather(*(stream.done for stream in started + direct)), seconds + 60)
    return started, direct


def percentiles(streams: list[Stream]) -> tuple[float, float, float]:
    """Return the median, the 99th percentile and the largest time between two tokens."""
    gaps = sorted(value for stream in streams for value in stream.gaps)
    p50, p99, worst = (gaps[min(len(gaps) - 1, int(len(gaps) * share))] for share in (0.5, 0.99, 1.0))
    return p50, p99, worst


def report(streams: list[Stream], direct: list[Stream], tokens: int, gap: float) -> bool:
    """Print the figures and return whether they meet the aims."""
    wrong = sum(stream.tokens != list(range(tokens)) for stream in streams)
    lost = sum(tokens - len(set(stream.tokens)) for stream in streams)
    unfinished = sum(not stream.finished for stream in streams)
    print(f"tokens       {sum(len(stream.tokens) for stream in streams)} received, {lost} lost")
    print(f"streams      {len(streams)}, of which {wrong} with lost or reordered tokens, {unfinished} unfinished")
    p99 = 0.0
    for name, those in (("upstream", direct), ("ORBIT", streams)):
        p50, p99, worst = percentiles(those)
        print(
            f"{name:8}     p50 {p50 * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms, worst {worst * 1000:.1f} ms between tokens"
        )
    print(f"p99 / gap    {p99 / gap:.2f} (aim: at most 1.5)")
    return not wrong and not unfinished and p99 <= 1.5 * gap


def serve(folder: Path, url: str, port: int) -> None:
    """Run the ORBIT server of this benchmark."""
    from orbit_ollama import OllamaProvider  # noqa: PLC0415  # only in the server's process
    from orbit_server import run_orbit  # noqa: PLC0415  # the same

    config = {"ollama": {"base_url": url, "model": "bench"}, "limits": {"max_concurrent": 10_000}}
    run_orbit(config, folder, {"ollama": OllamaProvider}, port)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=500, help="streams at the same time")
    parser.add_argument("--rate", type=float, default=20.0, help="tokens of each stream in a second")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long each stream lasts")
    options = parser.parse_args()
    gap, tokens = 1.0 / options.rate, round(options.rate * options.seconds)
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder, upstream, port = Path(name), _free_port(), _free_port()
        command = [sys.executable, str(HERE / "ollama_slow.py"), str(upstream), str(gap), str(tokens)]
        stack.enter_context(_process(command, upstream, {}))
        command = [sys.executable, __file__, "--serve", name, f"http://127.0.0.1:{upstream}", str(port)]
        stack.enter_context(_process(command, port, {}))
        body = msgspec.json.encode({"message": "Count.", "stream": True})
        request = load.post(port, "/chat", body, {"X-API-Key": (folder / "key").read_text()})
        process = int((folder / "pid").read_text())
        seen = uvloop.run(run(port, request, upstream, options.streams, gap, options.seconds, process))
        good = report(*seen, tokens, gap)
    sys.exit(not good)


def _resident(process: int) -> int:
    """Return the resident memory of a process, in bytes."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _cpu(process: int) -> float:
    """Return the CPU time that a process has used, in seconds."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
    else:
        main()
