"""A model server without a model: 64 tokens for every prompt, at once, whole or as newline-delimited JSON."""

from __future__ import annotations

from typing import Any

import msgspec

TOKENS = [f" token{number}" for number in range(64)]
LINES = [msgspec.json.encode({"text": token, "done": False}) + b"\n" for token in TOKENS]
LAST = msgspec.json.encode({"text": "", "done": True}) + b"\n"
WHOLE = msgspec.json.encode({"text": "".join(TOKENS), "done": True})


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer ``POST /generate {"prompt": str, "stream": bool}``."""
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    if msgspec.json.decode(body)["stream"]:
        for line in LINES:
            await send({"type": "http.response.body", "body": line, "more_body": True})
        await send({"type": "http.response.body", "body": LAST, "more_body": False})
    else:
        await send({"type": "http.response.body", "body": WHOLE, "more_body": False})
