"""A stand-in for a server of Anthropic's Messages API: its HTTP API over real sockets, with switchable failures.

Written from Anthropic's API reference and the types of its Python package: paths, headers, statuses, error bodies,
events of streams and what requests must not hold are theirs. Models are replaced by a function from request to answer.

    async with AnthropicWire(models=["claude"]) as wire:
        ...  # wire.url, wire.requests, wire.running
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from ollama_wire import Raw, words
from openai_wire import Fault, OpenAIWire, Reply, cut

__all__ = ["AnthropicWire", "Fault", "Raw", "event", "last_text", "said"]
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_ID = re.compile(r"[a-zA-Z0-9_-]+")


def said(content: Any) -> str:
    """Return the text of some content, results of tools included."""
    if isinstance(content, str):
        return content
    return "".join(block.get("text") or said(block.get("content") or "") for block in content)


def last_text(body: dict[str, Any]) -> str:
    """Answer with the last message."""
    return said(body["messages"][-1]["content"])


def event(kind: str, **fields: Any) -> bytes:
    """Return a server-sent event."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


@dataclass
class AnthropicWire(OpenAIWire):
    """One server. Everything that a test may want to switch or see is a field."""

    models: Sequence[str] = ("claude",)
    reply: Reply = last_text
    signature: str = ""
    """Signs the thoughts; without it they are unsigned, as other servers of this API send them."""
    redacted: str = ""
    """What only the server can read of its thoughts."""
    capabilities: dict[str, Any] = field(default_factory=dict)
    """What the list of models says of each."""
    cached: int = 0
    """Tokens of the prompt that come from a cache."""
    takes: Sequence[str] = ("adaptive", "enabled", "disabled")
    """Types of thinking that the models take."""
    odd: bool = False
    """Whether a stream has pings, and events and blocks that no client knows yet."""
    stop_reason: str = ""
    """Why an answer ends, if not as its text and calls say."""
    counts: bool = True
    """Whether it counts tokens."""

    @property
    def url(self) -> str:
        """What clients take for ``base_url``."""
        return super().url.removesuffix("/v1")

    def asked(self, path: str = "/v1/messages") -> list[dict[str, Any]]:
        """Return the bodies of the requests to a path."""
        return super().asked(path)

    def _route(self, router: web.UrlDispatcher) -> None:
        router.add_get("/v1/models", self._models)
        router.add_post("/v1/messages", self._message)
        router.add_post("/v1/messages/count_tokens", self._count)

    def _card(self, name: str) -> dict[str, Any]:
        card: dict[str, Any] = {"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"}
        if self.capabilities:
            card |= {"max_input_tokens": self.window, "max_tokens": 64_000, "capabilities": self.capabilities}
        return card

    async def _count(self, request: web.Request) -> web.Response:
        body = await self._received(request)
        if not self.counts:
            return self._problem(404, "Not Found")
        return self._refusal(request, body) or web.json_response({"input_tokens": read(body)})

    async def _message(self, request: web.Request) -> web.StreamResponse:
        body = await self._received(request)
        refusal = self._refusal(request, body)
        if refusal is not None:
            return refusal
        if problem := problem_of(body, self.takes):
            return self._problem(400, problem)
        async with self._running():
            fault = self.faults.popleft() if self.faults else None
            if fault is not None and fault.after is None:
                return await self._early(request, fault)
            message = self._answer(body)
            if not (body.get("stream") and self.streams):
                return web.json_response(message)
            return await self._events(request, message, fault)

    def _answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return a whole message."""
        answer = self.reply(body)
        pieces = words(answer) if isinstance(answer, str) else list(answer)
        thinks = body.get("thinking", {}).get("type") in ("adaptive", "enabled")
        content: list[dict[str, Any]] = []
        if self.thoughts and (thinks or not self.signature):
            content.append({"type": "thinking", "thinking": self.thoughts, "signature": self.signature})
        if self.redacted and thinks:
            content.append({"type": "redacted_thinking", "data": self.redacted})
        calls = self._calls(body)
        reason, stop = "tool_use" if calls else "end_turn", None
        text = "" if calls else "".join(pieces[: body["max_tokens"]])
        if not calls and len(pieces) > body["max_tokens"]:
            reason = "max_tokens"
        for sequence in body.get("stop_sequences") or ():
            if sequence in text:
                text, reason, stop = text.partition(sequence)[0], "stop_sequence", sequence
        content += [{"type": "text", "text": text}] if text else []
        content += calls
        usage = {
            "input_tokens": read(body) - self.cached,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": self.cached,
            "output_tokens": len(words(text)) + len(words(self.thoughts)),
        }
        return {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": content,
            "stop_reason": self.stop_reason or reason,
            "stop_sequence": stop,
            "usage": usage,
        }

    def _calls(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        last = body["messages"][-1]["content"]
        answered = any(block["type"] == "tool_result" for block in last)
        if not body.get("tools") or (body.get("tool_choice") or {}).get("type") == "none" or answered:
            return []
        return [
            {"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": json.loads(arguments)}
            for number, (name, arguments) in enumerate(self.calls)
        ]

    async def _events(self, request: web.Request, message: dict[str, Any], fault: Fault | None) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        begun = {**message, "content": [], "stop_reason": None, "usage": {**message["usage"], "output_tokens": 1}}
        await response.write(event("message_start", message=begun))
        if self.odd:
            await response.write(event("ping") + event("novelty", index=0, delta={"type": "text_delta", "text": "no"}))
        for number, frame in enumerate(deltas(message["content"], odd=self.odd)):
            if self.delay:
                await asyncio.sleep(self.delay)
            if fault is not None and fault.after == number:
                return await self._late(request, response, fault)
            await response.write(frame)
        delta = {"stop_reason": message["stop_reason"], "stop_sequence": message["stop_sequence"]}
        written, thought = message["usage"]["output_tokens"], len(words(self.thoughts))
        usage = {"output_tokens": written, "output_tokens_details": {"thinking_tokens": thought}}
        await response.write(event("message_delta", delta=delta, usage=usage))
        await response.write(event("message_stop"))
        return response

    async def _late(self, request: web.Request, response: web.StreamResponse, fault: Fault) -> web.StreamResponse:
        if fault.kind == "hang":
            await asyncio.Event().wait()
        elif fault.kind == "die":
            cut(request)
        elif fault.kind == "garbage":
            await response.write(b'event: content_block_delta\ndata: {"type": "content_blo\n\n')
        elif fault.kind in ("error", "status"):
            await response.write(event("error", **self._error(fault.status, fault.error, "")))
        return response  # "end": the stream ends properly, but without its last events

    def _locked(self, request: web.Request) -> bool:
        if "anthropic-version" not in request.headers:
            return True
        return bool(self.api_key) and request.headers.get("x-api-key") != self.api_key

    def _refusal(self, request: web.Request, body: dict[str, Any]) -> web.Response | None:
        if self._locked(request):
            return self._problem(401, "invalid x-api-key")
        refused = self.refuse(request.path, body)
        if refused is not None:
            return self._problem(*refused)
        if body.get("model") not in self.models:
            return self._problem(404, f"model: {body.get('model')}")
        if read(body) > self.window:
            return self._problem(400, f"prompt is too long: {read(body)} tokens > {self.window} maximum")
        return None

    def _error(self, status: int, message: Any, code: str) -> Any:
        del code
        error = {"type": _TYPES.get(status, "api_error"), "message": message}
        return {"type": "error", "error": error, "request_id": "req_1"}


def read(body: dict[str, Any]) -> int:
    """Return the words of a prompt."""
    texts = [body.get("system") or "", *(said(message["content"]) for message in body.get("messages", []))]
    return sum(len(words(text)) for text in texts)


def deltas(content: Sequence[dict[str, Any]], *, odd: bool) -> Iterator[bytes]:
    """Yield the events of content blocks."""
    for index, block in enumerate(content):
        kind = block["type"]
        empty: dict[str, dict[str, Any]] = {
            "text": {"text": ""},
            "thinking": {"thinking": "", "signature": ""},
            "tool_use": {"input": {}},
        }
        yield event("content_block_start", index=index, content_block={**block, **empty.get(kind, {})})
        for delta in pieces_of(block):
            yield event("content_block_delta", index=index, delta=delta)
        if odd:
            yield event("content_block_delta", index=index, delta={"type": "novel_delta", "text": "no"})
        yield event("content_block_stop", index=index)
    if odd:
        novel = {"type": "novel_block", "text": "no"}
        yield event("ping")
        yield event("content_block_start", index=len(content), content_block=novel)
        yield event("content_block_delta", index=len(content), delta={"type": "input_json_delta", "partial_json": "{"})
        yield event("content_block_stop", index=len(content))


def pieces_of(block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the deltas of a content block."""
    if block["type"] == "text":
        for piece in words(block["text"]):
            yield {"type": "text_delta", "text": piece}
    elif block["type"] == "thinking":
        for piece in words(block["thinking"]):
            yield {"type": "thinking_delta", "thinking": piece}
        if block["signature"]:
            yield {"type": "signature_delta", "signature": block["signature"]}
    elif block["type"] == "tool_use":
        yield {"type": "input_json_delta", "partial_json": ""}
        arguments = json.dumps(block["input"])
        for start in range(0, len(arguments), 5):
            yield {"type": "input_json_delta", "partial_json": arguments[start : start + 5]}


def problem_of(body: dict[str, Any], takes: Sequence[str]) -> str:
    """Return why Anthropic would refuse a request; empty if it would not."""
    if not isinstance(body.get("max_tokens"), int):
        return "max_tokens: Field required"
    thinking = body.get("thinking", {})
    kind = thinking.get("type", "disabled")
    if "thinking" in body and kind not in takes:
        return f'"thinking.type.{kind}" is not supported for this model. Use "thinking.type.{takes[0]}".'
    if kind in ("adaptive", "enabled"):
        if body.get("temperature", 1) != 1 or "top_k" in body:
            return "`temperature` may only be set to 1 when thinking is enabled."
        if (body.get("tool_choice") or {}).get("type") in ("any", "tool"):
            return "Thinking may not be enabled when tool_choice forces tool use."
    if kind == "enabled" and not 1024 <= thinking["budget_tokens"] < body["max_tokens"]:
        return "`max_tokens` must be greater than `thinking.budget_tokens`."
    return _problem_of_messages(body["messages"], budget=kind == "enabled")


def _problem_of_messages(  # noqa: PLR0911  # one return for each rule
    messages: Sequence[dict[str, Any]], *, budget: bool
) -> str:
    called: set[str] = set()
    for number, message in enumerate(messages):
        role, content = message["role"], message["content"]
        if role != ("assistant" if number % 2 else "user"):
            return f"messages.{number}: roles must alternate between user and assistant"
        answered = {block["tool_use_id"] for block in content if block["type"] == "tool_result"}
        if called != answered:
            return f"messages.{number}: `tool_use` ids were found without `tool_result` blocks immediately after"
        called = {block["id"] for block in content if block["type"] == "tool_use"}
        for block in content:
            if block["type"] == "text" and not block["text"].strip():
                return f"messages.{number}: text content blocks must contain non-whitespace text"
            if block["type"] == "thinking" and not block["signature"].startswith("signed"):
                return f"messages.{number}.content.0: Invalid `signature` in `thinking` block"
        if not all(map(_ID.fullmatch, called)):
            return f"messages.{number}: tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"
        last_round = role == "assistant" and called and number == len(messages) - 2
        if budget and last_round and content[0]["type"] not in ("thinking", "redacted_thinking"):
            return f"messages.{number}: Expected `thinking` or `redacted_thinking`, but found `{content[0]['type']}`"
    return ""
