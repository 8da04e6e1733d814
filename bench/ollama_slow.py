"""An Ollama server without a model that writes at a fixed pace: ``ollama_slow.py PORT GAP_SECONDS TOKENS``.

Each answer is the numbers from 0 on, one per line, so that a client detects lost or reordered ones. It is a bare
protocol, because it must keep the pace of hundreds of answers with little CPU.
"""

from __future__ import annotations

import asyncio
import sys

import msgspec
import uvloop

BASE = {"model": "bench:latest", "created_at": "2026-01-05T10:00:00.123456Z"}
OTHERS = {
    b"/api/version": b'{"version":"0.33.2"}',
    b"/api/tags": b'{"models":[{"name":"bench:latest","model":"bench:latest","size":1}]}',
    b"/api/show": b'{"model_info":{"llama.context_length":8192}}',
}


def _chunk(content: str, **rest: object) -> bytes:
    line = msgspec.json.encode({**BASE, "message": {"role": "assistant", "content": content}, "done": False, **rest})
    return f"{len(line) + 1:x}\r\n".encode() + line + b"\n\r\n"


class Answer(asyncio.Protocol):
    """One connection."""

    gap = 0.05
    chunks: tuple[bytes, ...] = ()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for requests."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]  # a TCP connection
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._received = b""

    def data_received(self, data: bytes) -> None:
        """Answer a request once it is complete."""
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        if len(body) < length:
            return
        self._received = b""
        other = OTHERS.get(head.split(b" ", 2)[1])
        if other is not None:
            start = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(other)
            self._transport.write(start + other)
            return
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        self._next = 0
        self._due = self._loop.time()
        self._write()

    def _write(self) -> None:
        self._transport.write(self.chunks[self._next])
        self._next += 1
        if self._next < len(self.chunks):
            self._due += self.gap
            self._timer = self._loop.call_at(self._due, self._write)

    def connection_lost(self, exc: Exception | None) -> None:  # the protocol's signature
        """Stop writing."""
        if self._timer is not None:
            self._timer.cancel()


async def main() -> None:
    port, gap, tokens = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    Answer.gap = gap
    last = _chunk("", done=True, done_reason="stop", prompt_eval_count=26, eval_count=tokens) + b"0\r\n\r\n"
    Answer.chunks = (*(_chunk(f"{number} ") for number in range(tokens)), last)
    server = await asyncio.get_running_loop().create_server(Answer, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
