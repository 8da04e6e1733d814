"""An Ollama server without a model: 64 tokens for every question, at once, whole or as newline-delimited JSON.

It serves only the benchmark; ``tests/wires/ollama`` has the faithful stand-in.
"""

from __future__ import annotations

from typing import Any

import msgspec

TOKENS = [f" token{number}" for number in range(64)]
BASE = {"model": "bench:latest", "created_at": "2026-01-05T10:00:00.123456Z"}
LAST = {
    "done": True,
    "done_reason": "stop",
    "total_duration": 4883583458,
    "load_duration": 1334875,
    "prompt_eval_count": 26,
    "prompt_eval_duration": 342546000,
    "eval_count": 64,
    "eval_duration": 4535599000,
}


def _line(text: str, **rest: Any) -> bytes:
    return msgspec.json.encode({**BASE, "message": {"role": "assistant", "content": text}, "done": False, **rest})


LINES = [_line(token) + b"\n" for token in TOKENS]
END = _line("", **LAST) + b"\n"
WHOLE = _line("".join(TOKENS), **LAST)
OTHERS = {
    "/api/version": b'{"version":"0.33.2"}',
    "/api/tags": b'{"models":[{"name":"bench:latest","model":"bench:latest","size":1}]}',
    "/api/show": b'{"model_info":{"llama.context_length":8192}}',
}


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer ``POST /api/chat``, and the provider's requests at its start."""
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    other = OTHERS.get(scope["path"])
    streamed = other is None and msgspec.json.decode(body)["stream"]
    kind = b"application/x-ndjson" if streamed else b"application/json"
    headers = [(b"content-type", kind)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if streamed:
        for line in LINES:
            await send({"type": "http.response.body", "body": line, "more_body": True})
        await send({"type": "http.response.body", "body": END, "more_body": False})
    else:
        await send({"type": "http.response.body", "body": other or WHOLE, "more_body": False})
