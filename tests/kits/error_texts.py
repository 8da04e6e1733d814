"""Questions on every wire, and the sentences of errors that clients may read."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx

from orbit.testing import RunningServer

ALLOWED = re.compile(
    r"(prompt is too long: )?"  # Anthropic's clients look for it
    r"((The model|The embedding model|The document search|The content check|A part of the server) "
    r"(cannot process this request\. Check its messages and parameters|could not answer"
    r"|is not available\. Try again in (a moment|\d+ s)|is busy\. Try again in (a moment|\d+ s)"
    r"|did not answer in time\. Try again in a moment)\.( Request id: [\w-]+\.)?"
    r"|The server failed unexpectedly\. Request id: [\w-]+\."
    r"|The server could not do this\. Request id: [\w-]+\."
    r"|The server cannot look up its records\. Try again in a moment\. Request id: [\w-]+\."
    r"|The question is too long for the model\. Shorten it, or begin a new conversation\."
    r"|The schema must be an object\."
    r"|Mended by the client\.)"
)


def ask(server: RunningServer, question: str = "hello", model: str = "orbit") -> dict[str, httpx.Response]:
    """Every way to ask a question, by name."""
    messages = [{"role": "user", "content": question}]
    bodies: dict[str, dict[str, Any]] = {
        "/chat": {"message": question},
        "/v1/chat/completions": {"messages": messages},
        "/v1/completions": {"prompt": question},
        "/v1/responses": {"input": question},
        "/v1/messages": {"messages": messages, "max_tokens": 50},
    }
    answers = {}
    with httpx.Client(base_url=server.url, headers={"X-API-Key": server.key}, timeout=20) as client:
        for path, body in bodies.items():
            for stream in (True, False):
                answers[f"{path} {stream}"] = client.post(path, json={**body, "model": model, "stream": stream})
        in_session = {"message": question, "model": model, "stream": False, "session_id": "s"}
        answers["/chat session"] = client.post("/chat", json=in_session)
    return answers


def sentences(response: httpx.Response) -> list[str]:
    """The sentences of the errors in a response, of whatever form."""
    frames = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: {")]
    found = []
    for body in map(json.loads, frames or [response.text]):
        error = body.get("error") or (body.get("response") or {}).get("error")
        if isinstance(error, dict):
            found.append(error.get("message") or error["detail"])
        elif "detail" in body:
            found.append(body["detail"])
    return found
