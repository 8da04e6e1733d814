"""Responses as they are written: heads with their bodies, chunks, mistakes of applications, and idle connections."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from orbit.serving.http_protocol import LimitedProtocol


@asynccontextmanager
async def connection(
    messages: list[dict[str, Any]], keep_alive: float = 5.0
) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter], None]:
    """A connection to a server whose application sends these messages for each request."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        del scope, receive
        for message in messages:
            await send(message)

    config = uvicorn.Config(app, log_config=None, lifespan="off", ws="none")
    config.timeout_keep_alive = keep_alive  # type: ignore[assignment]  # seconds as the loop takes them
    state = ServerState()
    state.default_headers = [(b"x-frame-options", b"DENY")]
    loop = asyncio.get_running_loop()
    async with await loop.create_server(lambda: LimitedProtocol(config, state, {}), "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        try:
            yield reader, writer
        finally:
            writer.close()


def start(status: int = 200, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": headers}


def body(data: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


LENGTH = (b"Content-Length", b"4")
OK = b"HTTP/1.1 200 OK\r\nx-frame-options: DENY\r\n"
FAILED = (
    b"HTTP/1.1 500 Internal Server Error\r\nx-frame-options: DENY\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: 21\r\nconnection: close\r\n\r\nInternal Server Error"
)


@pytest.mark.parametrize(
    ("method", "messages", "written"),
    [
        pytest.param(
            b"GET",
            [start(200, LENGTH), body(b"ab", more=True), body(b"cd")],
            OK + b"content-length: 4\r\nconnection: close\r\n\r\nabcd",
            id="a length",
        ),
        pytest.param(
            b"GET",
            [start(), body(b"ab", more=True), body(b"", more=True), body(b"c")],
            OK + b"connection: close\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
            id="chunks",
        ),
        pytest.param(
            b"GET",
            [start(200, LENGTH, (b"Transfer-Encoding", b"Chunked")), body(b"ab")],
            OK + b"content-length: 4\r\ntransfer-encoding: Chunked\r\nconnection: close\r\n\r\n2\r\nab\r\n0\r\n\r\n",
            id="chunks in spite of a length",
        ),
        pytest.param(
            b"HEAD",
            [start(200, LENGTH), body(b"abcd")],
            OK + b"content-length: 4\r\nconnection: close\r\n\r\n",
            id="HEAD",
        ),
        pytest.param(
            b"GET",
            [start(204), body(b"")],
            b"HTTP/1.1 204 No Content\r\nx-frame-options: DENY\r\nconnection: close\r\n\r\n",
            id="no content",
        ),
        pytest.param(
            b"GET",
            [start(200, LENGTH, (b"Connection", b"x, Close")), body(b"abcd")],
            OK + b"content-length: 4\r\nconnection: x, Close\r\n\r\nabcd",
            id="closed by the application",
        ),
        pytest.param(b"GET", [start(200, LENGTH), body(b"abcde")], b"", id="longer than announced"),
        pytest.param(
            b"GET",
            [start(200, LENGTH), body(b"abc")],
            OK + b"content-length: 4\r\nconnection: close\r\n\r\nabc",
            id="shorter",
        ),
        pytest.param(b"GET", [start(200, (b"a", b"b\r\nc: d")), body(b"")], b"", id="two headers in one"),
        pytest.param(b"GET", [start(200, (b"a b", b"c")), body(b"")], b"", id="no name"),
        pytest.param(b"GET", [body(b"abcd")], FAILED, id="a body first"),
    ],
)
async def test_what_an_application_sends_is_written(
    method: bytes, messages: list[dict[str, Any]], written: bytes
) -> None:
    async with connection(messages) as (reader, writer):
        writer.write(method + b" / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), 5)
    assert answer == written


async def test_an_idle_connection_ends() -> None:
    async with connection([start(200, LENGTH), body(b"abcd")], keep_alive=0.5) as (reader, writer):
        for _ in range(2):
            writer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n" * 3)
            for _ in range(3):
                assert (await asyncio.wait_for(reader.readuntil(b"abcd"), 5)).startswith(b"HTTP/1.1 200 OK\r\n")
        assert await asyncio.wait_for(reader.read(), 5) == b""
