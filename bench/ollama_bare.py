"""The reference for Ollama: an ASGI application that only passes on what the ``ollama`` client returns.

Client and transport are those of the plugin: the package's own calls over httpx-aiohttp.
"""

from __future__ import annotations

import os
from typing import Any

import aiohttp
import msgspec
import ollama
from bare import Body
from httpx_aiohttp import AiohttpTransport

_decode = msgspec.json.Decoder(Body).decode
_encode = msgspec.json.Encoder().encode
_client: list[ollama.AsyncClient] = []


def _open() -> ollama.AsyncClient:
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
    return ollama.AsyncClient(os.environ["BENCH_UPSTREAM"], transport=AiohttpTransport(client=session))


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer any POST like ``/chat``."""
    if scope["type"] == "lifespan":
        await receive()
        _client.append(_open())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await _client[0].close()  # type: ignore[no-untyped-call]  # the package does not annotate it
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    request = _decode(body)
    messages = [{"role": "user", "content": request.message}]
    if request.stream:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async for part in await _client[0].chat("bench", messages, stream=True):
            frame = b"data: " + _encode({"text": part.message.content, "done": False}) + b"\n\n"
            await send({"type": "http.response.body", "body": frame, "more_body": True})
        end = b"data: " + _encode({"text": "", "done": True}) + b"\n\n"
        await send({"type": "http.response.body", "body": end, "more_body": False})
        return
    whole = await _client[0].chat("bench", messages)
    answer = _encode({"response": whole.message.content})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer, "more_body": False})
