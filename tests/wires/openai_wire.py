"""A stand-in for an OpenAI-compatible server: its HTTP API over real sockets, with switchable failures.

Written from OpenAI's API reference, vLLM's documentation of its server and llama.cpp's server README: paths, fields,
statuses, error bodies and the form of streams are theirs; ``flavour`` says whose, where they differ. Models are
replaced by a function from request to answer.

    async with OpenAIWire(models=["llama"]) as wire:
        ...  # wire.url, wire.requests, wire.running

`python openai_wire.py --port 8000` serves it by hand.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from aiohttp import web
from ollama_wire import DIMENSION, Raw, Request, cut_off, embedding, raw_answers, words

VOCABULARY = 0x3000
"""Token ids that the server embeds: a token is a character."""

CREATED = 1_767_607_200
__all__ = ["Fault", "Flavour", "OpenAIWire", "Raw"]
Flavour = Literal["openai", "vllm", "llama.cpp"]


@dataclass(frozen=True)
class Fault:
    """How one request goes wrong: after ``after`` pieces of the answer (None: before the status line).

    ``status`` answers with that status and ``error``; ``error`` writes an error into the stream; ``hang`` falls silent;
    ``die`` cuts the connection; ``garbage`` sends something that is not OpenAI's; ``end`` ends the body too early.
    """

    kind: Literal["status", "error", "hang", "die", "garbage", "end"]
    after: int | None = None
    status: int = 500
    error: Any = "The server had an error while processing your request. Sorry about that!"
    headers: tuple[tuple[str, str], ...] = ()


Reply = Callable[[dict[str, Any]], str | Sequence[str]]
Refusal = Callable[[str, dict[str, Any]], tuple[int, Any] | None]


def nothing(path: str, body: dict[str, Any]) -> None:  # one of the kind
    """Refuse nothing."""


def echo(body: dict[str, Any]) -> str:
    """Answer with the last message."""
    return str(body["messages"][-1]["content"])


@dataclass
class OpenAIWire:
    """One server. Everything that a test may want to switch or see is a field."""

    models: Sequence[str] = ("llama", "embedder")
    flavour: Flavour = "openai"
    reply: Reply = echo
    calls: Sequence[tuple[str, str]] = ()
    """Names and arguments of the tools that the model calls, if it has tools and the last message is a question."""
    thoughts: str = ""
    """Written into ``reasoning_content`` before the answer."""
    delay: float = 0.0
    """Seconds before each piece of an answer."""
    window: int = 8192
    api_key: str = ""
    lists_models: bool = True
    streams: bool = True
    """Whether it streams when asked to; gateways that do not answer with one object."""
    listed: Any = None
    """What ``GET /v1/models`` answers instead of a list, as JSON."""
    list_status: int = 200
    refuse: Refusal = nothing
    """Looks at the path and body of a request; what it returns is the status and the error of the answer."""
    tls: ssl.SSLContext | None = None
    done_line: bool = True
    tells_usage: bool = True

    raw: dict[str, Raw] = field(default_factory=dict)
    """Path -> what is answered there, whatever is asked."""
    faults: deque[Fault] = field(default_factory=deque)
    """Each chat or embeddings request takes one from the left."""
    requests: list[Request] = field(default_factory=list)
    listings: list[Request] = field(default_factory=list)
    """Requests for the list of models."""
    running: int = 0
    """Answers being written at this moment."""
    most_running: int = 0
    cut_off: int = 0
    """Answers that the client did not wait for."""
    port: int = 0
    run: Callable[[Coroutine[Any, Any, None]], None] | None = None
    """Runs ``start()`` or ``stop()`` where the server lives, if that is another thread."""

    def __post_init__(self) -> None:
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """What clients take for ``base_url``."""
        return f"http{'s' if self.tls else ''}://{'localhost' if self.tls else '127.0.0.1'}:{self.port}/v1"

    @property
    def connections(self) -> int:
        """How many connections are open."""
        assert self._runner is not None
        assert self._runner.server is not None
        return len(self._runner.server.connections)

    @property
    def transports(self) -> list[asyncio.Transport]:
        """The connections as asyncio has them."""
        assert self._runner is not None
        assert self._runner.server is not None
        return [one.transport for one in self._runner.server.connections if one.transport is not None]

    def asked(self, path: str = "/v1/chat/completions") -> list[dict[str, Any]]:
        """Return the bodies of the requests to a path."""
        return [request.body for request in self.requests if request.path == path]

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; on the same port as before if the server was stopped."""
        app = web.Application(client_max_size=64 * 1024 * 1024, middlewares=[raw_answers(self)])
        self._route(app.router)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self.tls, backlog=1024)
        await site.start()
        self.port = self._runner.addresses[0][1]

    def _route(self, router: web.UrlDispatcher) -> None:
        router.add_get("/v1/models", self._models)
        router.add_post("/v1/chat/completions", self._chat)
        router.add_post("/v1/embeddings", self._embeddings)

    async def stop(self) -> None:
        """Stop at once, cutting what is running; the port refuses connections from then on."""
        if self._runner is not None:
            await cut_off(self._runner)
            self._runner = None

    async def _models(self, request: web.Request) -> web.Response:
        self.listings.append(Request(request.path, {}, dict(request.headers), request.query_string))
        if self._locked(request):
            return self._problem(401, "Incorrect API key provided: wrong.", code="invalid_api_key")
        if not self.lists_models:
            return web.json_response({"detail": "Not Found"}, status=404)
        if self.list_status != 200:
            return self._problem(self.list_status, "You have insufficient permissions for this operation.")
        if self.listed is not None:
            return web.json_response(self.listed)
        return web.json_response({"object": "list", "data": [self._card(name) for name in self.models]})

    def _card(self, name: str) -> dict[str, Any]:
        card: dict[str, Any] = {"id": name, "object": "model", "created": CREATED, "owned_by": "system"}
        if self.flavour == "vllm":
            card |= {"owned_by": "vllm", "root": name, "parent": None, "max_model_len": self.window, "permission": []}
        if self.flavour == "llama.cpp":
            card |= {"owned_by": "llamacpp", "meta": {"vocab_type": 2, "n_ctx_train": self.window, "n_embd": 32}}
        return card

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await self._received(request)
        refusal = self._refusal(request, body)
        if refusal is not None:
            return refusal
        async with self._running():
            fault = self.faults.popleft() if self.faults else None
            if fault is not None and fault.after is None:
                return await self._early(request, fault)
            answer = self.reply(body)
            pieces = words(answer) if isinstance(answer, str) else list(answer)
            pieces = _until(pieces, body.get("stop") or [])
            limit = body.get("max_completion_tokens", body.get("max_tokens", len(pieces)))
            reason = "length" if limit < len(pieces) else "stop"
            read = sum(len(words(str(message["content"]))) for message in body["messages"])
            usage = {"prompt_tokens": read, "completion_tokens": min(limit, len(pieces))}
            usage["total_tokens"] = sum(usage.values())
            calls = self._calls(body)
            if calls:
                pieces, limit, reason = [], 0, "tool_calls"
            head = {"id": "chatcmpl-1", "created": CREATED, "model": body["model"], "system_fingerprint": None}
            if not (body.get("stream") and self.streams):
                text = "".join(pieces[:limit])
                message: dict[str, Any] = {
                    "role": "assistant",
                    "content": None if calls else text,
                    "refusal": None,
                }
                message |= {"tool_calls": calls} if calls else {}
                choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
                return web.json_response({**head, "object": "chat.completion", "choices": [choice], "usage": usage})
            deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
            deltas += [{"reasoning_content": part} for part in words(self.thoughts)]
            deltas += [{"content": piece} for piece in pieces[:limit]] + list(fragments(calls))
            told = usage if (body.get("stream_options") or {}).get("include_usage") and self.tells_usage else None
            return await self._stream(request, head, deltas, reason, told, fault)

    def _calls(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        if not body.get("tools") or body.get("tool_choice") == "none" or body["messages"][-1]["role"] != "user":
            return []
        return [
            {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments}}
            for number, (name, arguments) in enumerate(self.calls)
        ]

    async def _stream(
        self,
        request: web.Request,
        head: dict[str, Any],
        deltas: list[dict[str, Any]],
        reason: str,
        usage: dict[str, int] | None,
        fault: Fault | None,
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        head = {**head, "object": "chat.completion.chunk"}
        opening, *rest = deltas
        await _send(response, {**head, "choices": [{"index": 0, "delta": opening, "finish_reason": None}]})
        for index, delta in enumerate(rest):
            if self.delay:
                await asyncio.sleep(self.delay)
            if fault is not None and fault.after == index:
                return await self._late(request, response, fault)
            await _send(response, {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
        await _send(response, {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
        if usage is not None:
            await _send(response, {**head, "choices": [], "usage": usage})
        if self.done_line:
            await response.write(b"data: [DONE]\n\n")
        return response

    async def _early(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        """Fail before the status line."""
        if fault.kind == "hang":
            await asyncio.Event().wait()
        if fault.kind in ("die", "end"):
            cut(request)
        if fault.kind == "garbage":
            return web.Response(text="<html><body>It works!</body></html>", content_type="text/html")
        return self._problem(fault.status, fault.error, headers=dict(fault.headers))

    async def _late(self, request: web.Request, response: web.StreamResponse, fault: Fault) -> web.StreamResponse:
        if fault.kind == "hang":
            await asyncio.Event().wait()
        elif fault.kind == "die":
            cut(request)
        elif fault.kind == "garbage":
            await response.write(b'data: {"model": "llama", "cho\n\n')
        elif fault.kind in ("error", "status"):
            await _send(response, self._error(fault.status, fault.error, ""))
            await response.write(b"data: [DONE]\n\n")  # vLLM sends it after an error as well
        return response  # "end": the stream ends properly, but without its last chunks

    async def _embeddings(self, request: web.Request) -> web.StreamResponse:
        body = await self._received(request)
        refusal = self._refusal(request, body)
        if refusal is not None:
            return refusal
        async with self._running():
            fault = self.faults.popleft() if self.faults else None
            if fault is not None:
                return await self._early(request, fault)
            await asyncio.sleep(self.delay)
            texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
            if isinstance(texts[0], int):
                texts = [texts]
            if any(token not in range(VOCABULARY) for text in texts if not isinstance(text, str) for token in text):
                return self._problem(400, "Token id out of vocabulary")
            texts = [text if isinstance(text, str) else "".join(map(chr, text)) for text in texts]
            if "" in texts:
                return self._problem(400, "'$.input' is invalid: it must not be an empty string.")
            size = body.get("dimensions") or DIMENSION
            data = [
                {"object": "embedding", "index": index, "embedding": embedding(text)[:size]}
                for index, text in enumerate(texts)
            ]
            read = sum(len(words(text)) for text in texts)
            usage = {"prompt_tokens": read, "total_tokens": read}
            # The order of "data" is promised nowhere, the index is.
            return web.json_response({"object": "list", "data": data[::-1], "model": body["model"], "usage": usage})

    async def _received(self, request: web.Request) -> dict[str, Any]:
        body = json.loads(await request.read() or b"{}")
        self.requests.append(Request(request.path, body, dict(request.headers), request.query_string))
        return dict(body)

    def _refusal(self, request: web.Request, body: dict[str, Any]) -> web.Response | None:
        if self._locked(request):
            return self._problem(401, "Incorrect API key provided: wrong.", code="invalid_api_key")
        refused = self.refuse(request.path, body)
        if refused is not None:
            return self._problem(*refused)
        model = body.get("model")
        if model not in self.models:
            message = f"The model `{model}` does not exist or you do not have access to it."
            return self._problem(404, message, code="model_not_found")
        if problem := tool_problem(body):
            return self._problem(400, problem)
        read = sum(len(words(str(message["content"]))) for message in body.get("messages", []))
        if read > self.window:
            return self._too_long(read)
        return None

    def _locked(self, request: web.Request) -> bool:
        return bool(self.api_key) and request.headers.get("Authorization") != f"Bearer {self.api_key}"

    def _too_long(self, read: int) -> web.Response:
        if self.flavour == "vllm":
            message = (
                f"You passed {read} input tokens and requested 0 output tokens. However, the model's context length is "
                f"only {self.window} tokens. Please reduce the length of the input prompt."
            )
            return self._problem(400, message, code="400")
        if self.flavour == "llama.cpp":
            message = f"request ({read} tokens) exceeds the available context size ({self.window} tokens)"
            error = {"code": 400, "message": message, "type": "exceed_context_size_error", "n_ctx": self.window}
            return web.json_response({"error": error}, status=400)
        message = f"This model's maximum context length is {self.window} tokens. Your messages have {read} tokens."
        return self._problem(400, message, code="context_length_exceeded")

    def _problem(
        self, status: int, message: Any, code: str = "", headers: dict[str, str] | None = None
    ) -> web.Response:
        return web.json_response(self._error(status, message, code), status=status, headers=headers)

    def _error(self, status: int, message: Any, code: str) -> Any:
        if not isinstance(message, str):
            return message  # the test says all of it
        kind = "invalid_request_error" if status < 500 else "server_error"
        if self.flavour == "vllm":
            return {"error": {"message": message, "type": "BadRequestError", "param": None, "code": status}}
        if self.flavour == "llama.cpp":
            return {"error": {"code": status, "message": message, "type": kind}}
        return {"error": {"message": message, "type": kind, "param": None, "code": code or None}}

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            yield
        except (asyncio.CancelledError, ConnectionResetError):
            self.cut_off += 1
            raise
        finally:
            self.running -= 1


def fragments(calls: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the deltas of calls: id and name first, then the arguments in small pieces."""
    for index, call in enumerate(calls):
        arguments = call["function"]["arguments"]
        yield {"tool_calls": [{"index": index, **call, "function": {**call["function"], "arguments": ""}}]}
        for start in range(0, len(arguments), 5):
            yield {"tool_calls": [{"index": index, "function": {"arguments": arguments[start : start + 5]}}]}


def tool_problem(body: dict[str, Any]) -> str:
    """Return why OpenAI would refuse the tools of a request or their results; empty if it would not."""
    known: set[str] = set()
    for number, message in enumerate(body.get("messages", [])):
        if message["role"] == "tool" and message.get("tool_call_id") not in known:
            return f"Invalid parameter: messages[{number}] must follow a message with 'tool_calls'."
        if message["role"] == "assistant":
            known = {call["id"] for call in message.get("tool_calls") or ()}
        for call in message.get("tool_calls") or ():
            if not isinstance(call["function"]["arguments"], str):
                return f"Invalid type for 'messages[{number}].tool_calls[0].function.arguments'."
    for tool in body.get("tools") or ():
        if tool["type"] != "function" or not tool["function"]["name"]:
            return "Invalid value: 'tools[0]'."
    return ""


def _until(pieces: list[str], stops: str | list[str]) -> list[str]:
    """Cut an answer before the first of the texts that are to end it."""
    answer = "".join(pieces)
    found = [answer.find(stop) for stop in ([stops] if isinstance(stops, str) else stops) if stop in answer]
    return words(answer[: min(found)]) if found else pieces


async def _send(response: web.StreamResponse, frame: Any) -> None:
    await response.write(b"data: " + json.dumps(frame).encode() + b"\n\n")


def cut(request: web.Request) -> None:
    """Cut the connection as a dying process does: no end of the body, a reset."""
    transport = request.transport
    if transport is not None:
        transport.abort()


async def _serve(port: int, models: list[str], delay: float) -> None:
    async with OpenAIWire(models=models, port=port, delay=delay) as wire:
        print(wire.url, flush=True)  # noqa: T201  # whoever starts it needs to know
        await asyncio.Event().wait()


if __name__ == "__main__":
    import argparse

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--model", action="append", default=[])
    parser.add_argument("--delay", type=float, default=0.0)
    arguments = parser.parse_args()
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(arguments.port, arguments.model or ["llama", "embedder"], arguments.delay))
