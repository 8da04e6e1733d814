"""The reference: an ASGI application that only makes the upstream call (no keys, log, limits or checks)."""

from __future__ import annotations

import os
from contextlib import aclosing
from typing import Any

import aiohttp
import msgspec
from fake_client import generate


class Body(msgspec.Struct):
    """The body of a request."""

    message: str
    stream: bool = True


_decode = msgspec.json.Decoder(Body).decode
_encode = msgspec.json.Encoder().encode
_session: list[aiohttp.ClientSession] = []


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer any POST like ``/chat``."""
    if scope["type"] == "lifespan":
        await receive()
        _session.append(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await _session[0].close()
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    request = _decode(body)
    texts = generate(_session[0], os.environ["BENCH_UPSTREAM"], request.message, stream=request.stream)
    async with aclosing(texts):  # type: ignore[type-var]  # an async generator has aclose
        if request.stream:
            headers = [(b"content-type", b"text/event-stream")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            async for text in texts:
                frame = b"data: " + _encode({"text": text, "done": False}) + b"\n\n"
                await send({"type": "http.response.body", "body": frame, "more_body": True})
            end = b"data: " + _encode({"text": "", "done": True}) + b"\n\n"
            await send({"type": "http.response.body", "body": end, "more_body": False})
            return
        answer = _encode({"response": "".join([text async for text in texts])})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer, "more_body": False})
