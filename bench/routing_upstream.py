"""Two OpenAI-compatible servers without a model: ``routing_upstream.py MODE PORT MODE PORT``.

A server in mode ``ok`` answers after 5 ms, in mode ``failing`` with 500, in mode ``hanging`` never. ``GET /count`` says
how many chats it was asked for. One that is to be ``dead`` is not begun.
"""

from __future__ import annotations

import asyncio
import sys

import msgspec
import uvloop

_SECONDS = 0.005
_MODELS = b'{"object":"list","data":[{"id":"bench","object":"model"}]}'
_ANSWER = msgspec.json.encode(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_767_607_200,
        "model": "bench",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
    }
)
_ERROR = b'{"error":{"message":"The server had an error.","type":"server_error"}}'


class Upstream:
    """One server, and how many chats it was asked for."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.chats = 0


class Connection(asyncio.Protocol):
    """One connection to a server."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for requests."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]  # a TCP connection

    def data_received(self, data: bytes) -> None:
        """Answer a request once it is complete."""
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
        if not found or len(body) < length:
            return
        self._received = b""
        if head.startswith(b"GET /count"):
            self._send(b"200 OK", b"%d" % self._upstream.chats)
        elif head.startswith(b"GET"):
            self._send(b"200 OK", _MODELS)
        else:
            self._upstream.chats += 1
            if self._upstream.mode == "failing":
                self._send(b"500 Internal Server Error", _ERROR)
            elif self._upstream.mode == "ok":
                asyncio.get_running_loop().call_later(_SECONDS, self._send, b"200 OK", _ANSWER)

    def _send(self, status: bytes, body: bytes) -> None:
        head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
        if not self._transport.is_closing():
            self._transport.write(head + body)


async def main() -> None:
    loop = asyncio.get_running_loop()
    for mode, port in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
        if mode != "dead":
            upstream = Upstream(mode)
            await loop.create_server(lambda upstream=upstream: Connection(upstream), "127.0.0.1", int(port))  # type: ignore[misc]  # mypy cannot infer its type
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
