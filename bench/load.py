"""A load generator: keep-alive clients that repeat one request and count complete, successful answers."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import uvloop


@dataclass
class Load:
    """The observations of a run. ``latencies`` and ``first_bytes`` are in seconds, one per answer."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    first_bytes: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    def median(self) -> float:
        ordered = sorted(self.latencies)
        return ordered[len(ordered) // 2]


class _Client(asyncio.Protocol):
    """One connection. An answer ends with its content length or its last chunk."""

    def __init__(self, request: bytes, end: float, load: Load) -> None:
        self._request, self._end, self._load = request, end, load
        self.done = asyncio.get_running_loop().create_future()
        self._received = b""
        self._started = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.WriteTransport = transport  # type: ignore[assignment]  # a TCP connection writes
        self._ask()

    def _ask(self) -> None:
        self._received = b""
        self._started = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if not self._received:
            self._first = time.perf_counter()
        self._received += data
        if not self._whole():
            return
        if not self._received.startswith(b"HTTP/1.1 200"):
            self.done.set_exception(RuntimeError(self._received[:500].decode()))
            self._transport.close()
            return
        now = time.perf_counter()
        self._load.latencies.append(now - self._started)
        self._load.first_bytes.append(self._first - self._started)
        if now < self._end:
            self._ask()
        else:
            self._transport.close()
            self.done.set_result(None)

    def _whole(self) -> bool:
        if self._received.endswith(b"\r\n0\r\n\r\n"):
            return True
        head, found, body = self._received.partition(b"\r\n\r\n")
        position = head.lower().find(b"content-length:")
        return bool(found) and position >= 0 and len(body) >= int(head[position + 15 :].split(b"\r\n")[0])


def post(port: int, path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """Return the bytes of a POST request to this machine."""
    lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join([*lines, f"Content-Length: {len(body)}"]) + "\r\n\r\n").encode() + body


def run(port: int, request: bytes, clients: int, seconds: float) -> Load:
    """Send the request from this many clients for this many seconds."""

    async def main() -> Load:
        load = Load()
        started = time.perf_counter()
        loop = asyncio.get_running_loop()
        made = [
            await loop.create_connection(lambda: _Client(request, started + seconds, load), "127.0.0.1", port)
            for _ in range(clients)
        ]
        await asyncio.wait_for(asyncio.gather(*(client.done for _, client in made)), seconds + 60)
        load.seconds = time.perf_counter() - started
        return load

    return uvloop.run(main())
