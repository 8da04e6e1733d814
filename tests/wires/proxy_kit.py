"""A small HTTP proxy, for tests that look who is asked by way of one."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx


@asynccontextmanager
async def proxy(user: str = "") -> AsyncIterator[tuple[str, list[str]]]:
    """Serve as a proxy that lets ``user``, such as ``me:secret``, through.

    Yields its URL, and the URLs that it was asked for as they come. An answer is passed on when it is whole.
    """
    seen: list[str] = []
    expected = "Basic " + base64.b64encode(user.encode()).decode()

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line, *headers = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, url, _ = line.split()
        seen.append(url)
        if user and f"Proxy-Authorization: {expected}".lower() not in [header.lower() for header in headers]:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        else:
            passed = dict(header.split(": ", 1) for header in headers if ": " in header)
            passed.pop("Proxy-Authorization", None)
            async with httpx.AsyncClient(trust_env=False) as client:
                content = await reader.readexactly(_length(headers))
                answer = await client.request(method, url, content=content, headers=passed)
            kind = answer.headers.get("content-type", "text/plain")
            head = f"HTTP/1.1 {answer.status_code} .\r\nConnection: close\r\nContent-Type: {kind}\r\n"
            head += f"Content-Length: {len(answer.content)}\r\n\r\n"
            writer.write(head.encode() + answer.content)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve_one, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", seen


def _length(headers: list[str]) -> int:
    return next((int(line.split(":")[1]) for line in headers if line.lower().startswith("content-length:")), 0)
