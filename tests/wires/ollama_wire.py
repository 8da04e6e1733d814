"""A stand-in for an Ollama server: its HTTP API over real sockets, with switchable failures.

Written from Ollama's API documentation (`docs/api.md`, `docs.ollama.com/api`): paths, fields, statuses, error bodies,
content types and the form of streams are Ollama's. Models are replaced by a function from request to answer.

    async with OllamaWire(models=["llama3.2"]) as wire:
        ...  # wire.url, wire.requests, wire.running

`python ollama_wire.py --port 11434` serves it by hand.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import re
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from aiohttp import web

BUSY = "server busy, please try again.  maximum pending requests exceeded"
TOO_LONG = (
    "the prompt is longer than the context length currently available to the model; shorten the prompt, adjust the "
    "context length in settings, or use a model with a longer context length"
)
CREATED = "2026-01-05T10:00:00.123456Z"
TRAINED_CONTEXT = 8192
DIMENSION = 32


@dataclass(frozen=True)
class Fault:
    """How one request goes wrong: after ``after`` pieces of the answer (None: before the status line).

    ``status`` answers with that status and ``error``; ``error`` alone writes an error line into the stream;
    ``hang`` falls silent; ``die`` cuts the connection; ``garbage`` sends something that is not Ollama's.
    """

    kind: Literal["status", "error", "hang", "die", "garbage", "end"]
    after: int | None = None
    status: int = 500
    error: str = "an error was encountered while running the model"


@dataclass
class Request:
    """What a client sent."""

    path: str
    body: dict[str, Any]
    headers: dict[str, str]
    query: str = ""


Refusal = Callable[[str, dict[str, Any]], tuple[int, Any] | None]


def nothing(path: str, body: dict[str, Any]) -> None:
    """Refuse nothing."""


@dataclass
class Raw:
    """A body as it goes over the wire, in these pieces; ``cut`` breaks the connection off after them."""

    pieces: Iterable[bytes]
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    hang: bool = False
    sent: int = 0
    """Bytes that the client's side has taken, as far as the system's buffers let that be seen."""

    async def send(self, request: web.Request) -> web.StreamResponse:
        """Send it as the answer to a request."""
        response = web.StreamResponse(headers=self.headers)
        await response.prepare(request)
        for piece in self.pieces:
            await response.write(piece)
            await asyncio.sleep(0)
            self.sent += len(piece)
        if self.hang:
            await asyncio.Event().wait()
        if self.cut:
            await asyncio.sleep(0.05)  # what was written leaves before the connection breaks
            _cut(request)
        return response


Answer = str | Sequence[str]
Reply = Callable[[dict[str, Any]], Answer]


def words(text: str) -> list[str]:
    """Split text into pieces that, joined, give the text again: the stand-in's tokens."""
    return re.findall(r"\s*\S+|\s+$", text)


def echo(body: dict[str, Any]) -> str:
    """Answer with the last message."""
    return str(body["messages"][-1]["content"])


def _format_problem(form: Any) -> str:
    if isinstance(form, str) and form not in ("", "json"):
        return f'invalid format: "{form}"; expected "json" or a valid JSON Schema object'
    if isinstance(form, dict) and not isinstance(form.get("type", ""), str | list):
        return "invalid JSON schema in format"
    return ""


def embedding(text: str) -> list[float]:
    """Return a unit vector made of the words of ``text``: equal texts have equal vectors, related ones similar."""
    vector = [1e-6] * DIMENSION
    for word in re.findall(r"\w+", text.lower()):
        digest = hashlib.sha256(word.encode()).digest()
        vector[digest[0] % DIMENSION] += 1.0 if digest[1] % 2 else -1.0
    norm = math.sqrt(sum(value * value for value in vector))
    return [value / norm for value in vector]


@dataclass
class OllamaWire:
    """One server. Everything that a test may want to switch or see is a field."""

    models: Iterable[str] = ("llama3.2:latest", "nomic-embed-text:latest")
    thinking_models: tuple[str, ...] = ()
    abilities: Sequence[str] | None = ("completion",)
    """What ``/api/show`` says that models can do; None for a server that does not say it."""
    embedders: Sequence[str] = ("nomic-embed-text:latest",)
    """Models that can do nothing but embed."""
    unreadable: Sequence[str] = ()
    """Models whose files the server cannot read."""
    calls: Sequence[tuple[str, dict[str, Any]]] = ()
    """Names and arguments of the tools that the model calls, if it has tools and the last message is a question."""
    reply: Reply = echo
    thoughts: str = ""
    delay: float = 0.0
    """Seconds before each piece of an answer."""
    parallel: int = 1_000
    """More running answers than this are refused as busy."""
    version: str = "0.33.2"
    trained_context: int = TRAINED_CONTEXT
    require_header: tuple[str, str] | None = None
    list_status: int = 200
    """What the list of models is answered with."""
    refuse: Refusal = nothing
    """Looks at the path and body of a request; what it returns is the status and the error of the answer."""
    tls: ssl.SSLContext | None = None

    raw: dict[str, Raw] = field(default_factory=dict)
    """Path -> what is answered there, whatever is asked."""
    faults: deque[Fault] = field(default_factory=deque)
    """Each chat, generate or embed request takes one from the left."""
    requests: list[Request] = field(default_factory=list)
    lookups: list[Request] = field(default_factory=list)
    """Requests that run no model: for the version, the list of models and what is known of one."""
    running: int = 0
    """Answers being written at this moment."""
    most_running: int = 0
    cut_off: int = 0
    """Answers that the client did not wait for."""
    loads: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Each loading of a model, with the options it was loaded with. A change of these loads it again."""
    pulled: list[str] = field(default_factory=list)
    port: int = 0
    run: Callable[[Coroutine[Any, Any, None]], None] | None = None
    """Runs ``start()`` or ``stop()`` where the server lives, if that is another thread."""

    def __post_init__(self) -> None:
        self.models = [name if ":" in name else f"{name}:latest" for name in self.models]
        self._loaded: dict[str, dict[str, Any]] = {}
        self._runner: web.AppRunner | None = None

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        server = self._runner.server if self._runner else None
        return len(server.connections) if server else 0

    @property
    def url(self) -> str:
        """Where the server listens."""
        return f"http{'s' if self.tls else ''}://{'localhost' if self.tls else '127.0.0.1'}:{self.port}"

    def asked(self, path: str = "/api/chat") -> list[dict[str, Any]]:
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
        app.add_routes(
            [
                web.get("/", self._root),
                web.get("/api/version", self._version),
                web.get("/api/tags", self._tags),
                web.get("/api/ps", self._ps),
                web.post("/api/show", self._show),
                web.post("/api/pull", self._pull),
                web.post("/api/chat", self._chat),
                web.post("/api/generate", self._generate),
                web.post("/api/embed", self._embed),
            ]
        )
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self.tls, backlog=1024)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop at once, cutting what is running; the port refuses connections from then on."""
        if self._runner is not None:
            await cut_off(self._runner)
            self._runner = None

    # Requests that run no model

    async def _root(self, request: web.Request) -> web.Response:
        return web.Response(text="Ollama is running")

    async def _version(self, request: web.Request) -> web.Response:
        self._note(request)
        if self.require_header and request.headers.get(self.require_header[0]) != self.require_header[1]:
            return _problem(401, "unauthorized")
        return web.json_response({"version": self.version})

    def _note(self, request: web.Request) -> None:
        self.lookups.append(Request(request.path, {}, dict(request.headers), request.query_string))

    async def _tags(self, request: web.Request) -> web.Response:
        self._note(request)
        if self.list_status != 200:
            return web.Response(text="404 page not found", status=self.list_status)
        return web.json_response({"models": [_card(name) for name in self.models]})

    async def _ps(self, request: web.Request) -> web.Response:
        loaded = [
            {**_card(name), "expires_at": CREATED, "size_vram": 0, "context_length": options.get("num_ctx", 4096)}
            for name, options in self._loaded.items()
        ]
        return web.json_response({"models": loaded})

    async def _show(self, request: web.Request) -> web.Response:
        self._note(request)
        body = await _body(request)
        name = self._find(str(body.get("model", "")))
        if name is None:
            return _problem(404, f"model '{body.get('model')}' not found")
        if name in self.unreadable:
            return _problem(500, "error loading model")
        return web.json_response(
            {
                "modelfile": f'# Modelfile generated by "ollama show"\nFROM {name}',
                "parameters": 'stop "<|eot_id|>"',
                "template": "{{ .Prompt }}",
                "details": _card(name)["details"],
                "model_info": {
                    "general.architecture": "llama",
                    "general.parameter_count": 3212749888,
                    "llama.context_length": self.trained_context,
                    "llama.embedding_length": DIMENSION,
                },
            }
            | self._abilities(name)
        )

    def _abilities(self, name: str) -> dict[str, Any]:
        if self.abilities is None:
            return {}
        if name in self.embedders:
            return {"capabilities": ["embedding"]}
        return {"capabilities": [*self.abilities, *(["thinking"] if name in self.thinking_models else [])]}

    async def _pull(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        name = str(body.get("model", ""))
        steps: list[dict[str, Any]] = [{"status": "pulling manifest"}]
        if name.startswith("unknown"):
            steps.append({"error": "pull model manifest: file does not exist"})
        else:
            digest, total = "sha256:" + hashlib.sha256(name.encode()).hexdigest(), 1_000_000
            steps += [
                {"status": f"pulling {digest[7:19]}", "digest": digest, "total": total, "completed": done}
                for done in range(0, total + 1, total // 4)
            ]
            steps += [{"status": s} for s in ("verifying sha256 digest", "writing manifest", "success")]
        if body.get("stream") is False:
            last = steps[-1]
            return _problem(500, last["error"]) if "error" in last else web.json_response(last)
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        for step in steps:
            await asyncio.sleep(self.delay)
            await response.write(json.dumps(step).encode() + b"\n")
        if "error" not in steps[-1]:
            self.pulled.append(name)
            self.models = [*self.models, name if ":" in name else f"{name}:latest"]
        return response

    # Requests that run a model

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, lambda text: {"message": {"role": "assistant", "content": text}})

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, lambda text: {"response": text})

    async def _answer(self, request: web.Request, wrap: Callable[[str], dict[str, Any]]) -> web.StreamResponse:
        body = await _body(request)
        self.requests.append(Request(request.path, body, dict(request.headers), request.query_string))
        refusal = self._refusal(request, body)
        if refusal is not None:
            return refusal
        if request.path == "/api/generate":
            body = {**body, "messages": [{"role": "user", "content": body.get("prompt", "")}]}
        messages = body.get("messages") or []
        name = str(body["model"])
        options = body.get("options") or {}
        window = min(int(options.get("num_ctx", 4096)), self.trained_context)
        read = sum(len(words(str(message["content"]))) for message in messages)
        if read >= window:
            if body.get("truncate") is False or body.get("shift") is False:
                return _problem(400, TOO_LONG)
            read = window // 2  # what real servers do: cut silently
        self._load(self._find(name) or name, options)
        if not messages:
            return web.json_response(
                {"model": name, "created_at": CREATED, **wrap(""), "done": True, "done_reason": "load"}
            )
        async with self._running():
            fault = self.faults.popleft() if self.faults else None
            if fault is not None and fault.after is None:
                early = await self._early(request, fault)
                if early is not None:
                    return early
            answer = self.reply(body)
            if isinstance(answer, str):
                for stop in options.get("stop") or ():
                    answer = answer.partition(stop)[0]
            pieces = words(answer) if isinstance(answer, str) else list(answer)
            limit = int(options.get("num_predict", -1))
            reason = "length" if 0 <= limit < len(pieces) else "stop"
            pieces = pieces[:limit] if reason == "length" else pieces
            last = {
                "done": True,
                "done_reason": reason,
                "total_duration": 4_883_583_458,
                "load_duration": 1_334_875,
                "prompt_eval_count": read,
                "prompt_eval_duration": 342_546_000,
                "eval_count": len(pieces),
                "eval_duration": 4_535_599_000,
            }
            base = {"model": name, "created_at": CREATED}
            if body.get("stream") is False:
                await asyncio.sleep(self.delay * len(pieces))
                return web.json_response({**base, **wrap("".join(pieces)), **last})
            lines = [{**base, **wrap(piece), "done": False} for piece in pieces]
            if self.calls and body.get("tools") and messages[-1]["role"] == "user":
                lines = [{**base, "message": self._call(*call), "done": False} for call in enumerate(self.calls)]
            if self.thoughts and body.get("think") is not False:
                lines = [
                    {**base, "message": {"role": "assistant", "content": "", "thinking": part}, "done": False}
                    for part in words(self.thoughts)
                ] + lines
            return await self._stream(request, [*lines, {**base, **wrap(""), **last}], fault)

    def _call(self, index: int, call: tuple[str, dict[str, Any]]) -> dict[str, Any]:
        function = {"index": index, "name": call[0], "arguments": call[1]}
        return {"role": "assistant", "content": "", "tool_calls": [{"id": f"call_{index}", "function": function}]}

    async def _stream(
        self, request: web.Request, lines: list[dict[str, Any]], fault: Fault | None
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        for index, line in enumerate(lines):
            if self.delay:
                await asyncio.sleep(self.delay)
            if fault is not None and fault.after == index:
                return await self._late(request, response, fault)
            await response.write(json.dumps(line).encode() + b"\n")
        return response

    async def _early(self, request: web.Request, fault: Fault) -> web.StreamResponse | None:
        """Fail before the status line; None if nothing is left to do but to go on."""
        if fault.kind in ("status", "error"):
            return _problem(fault.status, fault.error)
        if fault.kind == "hang":
            await asyncio.Event().wait()
        if fault.kind in ("die", "end"):
            _cut(request)
        if fault.kind == "garbage":
            return web.Response(text="<html><body>It works!</body></html>", content_type="text/html")
        return None

    async def _late(self, request: web.Request, response: web.StreamResponse, fault: Fault) -> web.StreamResponse:
        if fault.kind in ("status", "error"):
            await response.write(json.dumps({"error": fault.error}).encode() + b"\n")
        elif fault.kind == "hang":
            await asyncio.Event().wait()
        elif fault.kind == "die":
            _cut(request)
        elif fault.kind == "garbage":
            await response.write(b'{"model": "llama", "mess\n')
        return response  # "end": the stream ends properly, but without its last line

    async def _embed(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        self.requests.append(Request(request.path, body, dict(request.headers), request.query_string))
        refusal = self._refusal(request, body)
        if refusal is not None:
            return refusal
        async with self._running():
            fault = self.faults.popleft() if self.faults else None
            if fault is not None:
                early = await self._early(request, fault)
                if early is not None:
                    return early
            self._load(self._find(str(body["model"])) or "", body.get("options") or {})
            await asyncio.sleep(self.delay)
            given = body.get("input")
            texts = [given] if isinstance(given, str) and given else list(given or [])
            if not all(isinstance(text, str) for text in texts):
                return _problem(400, "invalid input type")
            return web.json_response(
                {
                    "model": body["model"],
                    "embeddings": [embedding(text) for text in texts],
                    "total_duration": 14_143_917,
                    "load_duration": 1_019_500,
                    "prompt_eval_count": sum(len(words(text)) for text in texts),
                }
            )

    # What is common to them

    def _refusal(self, request: web.Request, body: dict[str, Any]) -> web.Response | None:
        if self.require_header and request.headers.get(self.require_header[0]) != self.require_header[1]:
            return _problem(401, "unauthorized")
        if not body:
            return _problem(400, "missing request body")
        refused = self.refuse(request.path, body)
        if refused is not None:
            return _problem(*refused)
        said = _format_problem(body.get("format"))
        return _problem(500, said) if said else self._incapable(body)

    def _incapable(self, body: dict[str, Any]) -> web.Response | None:
        """What keeps a model from answering."""
        name = self._find(str(body.get("model", "")))
        if name is None:
            return _problem(404, f"model '{body.get('model')}' not found")
        if body.get("think") not in (None, False) and name not in self.thinking_models:
            return _problem(400, f'"{body["model"]}" does not support thinking')
        if body.get("tools") and self.abilities is not None and "tools" not in self.abilities:
            return _problem(400, f'"{body["model"]}" does not support tools')
        for message in body.get("messages") or ():
            for call in message.get("tool_calls") or ():
                if not isinstance(call["function"]["arguments"], dict):
                    return _problem(400, "json: cannot unmarshal string into Go struct field .tool_calls.arguments")
        if self.running >= self.parallel:
            return _problem(503, BUSY)
        return None

    def _find(self, name: str) -> str | None:
        full = name if ":" in name else f"{name}:latest"
        return full if full in self.models else None

    def _load(self, name: str, options: dict[str, Any]) -> None:
        runner: dict[str, Any] = {
            key: options[key] for key in ("num_ctx", "num_thread", "num_gpu", "num_batch") if key in options
        }
        if self._loaded.get(name) != runner:
            self._loaded[name] = runner
            self.loads.append((name, runner))

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


def _card(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "model": name,
        "modified_at": "2026-01-04T14:56:49.277302595-07:00",
        "size": 2_019_393_189,
        "digest": hashlib.sha256(name.encode()).hexdigest(),
        "details": {
            "parent_model": "",
            "format": "gguf",
            "family": "llama",
            "families": ["llama"],
            "parameter_size": "3.2B",
            "quantization_level": "Q4_K_M",
        },
    }


def raw_answers(wire: Any) -> Any:
    """Return what answers the paths in ``wire.raw``."""

    @web.middleware
    async def answer(request: web.Request, handler: Any) -> web.StreamResponse:
        raw = wire.raw.get(request.path)
        if raw is None:
            response: web.StreamResponse = await handler(request)
            return response
        wire.requests.append(Request(request.path, await _body(request), dict(request.headers)))
        sent: web.StreamResponse = await raw.send(request)
        return sent

    return answer


_TURNS_TO_BEGIN = 3
"""Turns of the event loop from accepting a connection to its protocol."""


async def cut_off(runner: web.AppRunner) -> None:
    """Stop a server at once. What a client has not read would keep its connection open for as long as the client."""
    assert runner.server is not None
    await _stop_accepting(runner)
    connections = [connection.transport for connection in runner.server.connections]
    await runner.cleanup()
    for transport in filter(None, connections):
        transport.abort()
    await asyncio.sleep(0)  # the sockets close in the next turn


async def _stop_accepting(runner: web.AppRunner) -> None:
    """Let connections that were just accepted begin: Python 3.11 never closes them if the server ends before."""
    loop = asyncio.get_running_loop()
    for site in runner.sites:
        for listening in site._server.sockets:  # type: ignore[union-attr]  # aiohttp shows only its address
            with suppress(NotImplementedError):  # the event loop of Windows
                loop.remove_reader(listening.fileno())
    for _ in range(_TURNS_TO_BEGIN):
        await asyncio.sleep(0)


def _problem(status: int, error: str) -> web.Response:
    return web.json_response({"error": error}, status=status)


def _cut(request: web.Request) -> None:
    """Cut the connection as a dying process does: no end of the body, a reset."""
    transport = request.transport
    if transport is not None:
        transport.abort()


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.read() or b"{}")
    except ValueError as error:
        raise web.HTTPBadRequest(text=json.dumps({"error": str(error)}), content_type="application/json") from error
    return body if isinstance(body, dict) else {}


async def _serve(port: int, models: list[str], delay: float) -> None:
    async with OllamaWire(models=models, port=port, delay=delay) as wire:
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
        asyncio.run(_serve(arguments.port, arguments.model or ["llama3.2", "nomic-embed-text"], arguments.delay))
