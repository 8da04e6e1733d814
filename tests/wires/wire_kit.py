"""What tests of providers that call a model server share, whichever server it is."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import httpx
import msgspec

from orbit import CallContext, Chunk, GenerateOptions, Message, OrbitError, Provider, Tool, ToolCall

if TYPE_CHECKING:
    from orbit.testing import RunningServer


QUESTION = (Message("user", "one two three"),)
ANYTHING = GenerateOptions()
WEATHER = Tool("weather", "The weather.", {"type": "object", "properties": {"town": {"type": "string"}}})
TOOLS = GenerateOptions(tools=(WEATHER,))
CALL = ToolCall("call_0", "weather", '{"town": "Bonn"}')
ROUND = (*QUESTION, Message("assistant", "", tool_calls=(CALL,)), Message("tool", "Rain.", tool_call_id="call_0"))


class Wire(Protocol):
    """A stand-in for a model server. ``run`` runs a coroutine in the loop that serves it."""

    run: Callable[[Coroutine[Any, Any, None]], None] | None

    async def start(self) -> None:
        """Serve."""

    async def stop(self) -> None:
        """Go away."""


W = TypeVar("W", bound=Wire)
P = TypeVar("P", bound=Provider)


@asynccontextmanager
async def starting(plugin: type[P], name: str, **defaults: Any) -> AsyncIterator[Callable[..., Awaitable[P]]]:
    """Start providers, each with settings of its own; they are stopped at the end."""
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> P:
            given = {"start_timeout": 0, "retry_delay": 0.01, **defaults, **settings}
            own = msgspec.convert(given, plugin.Settings)
            return await stack.enter_async_context(plugin(name, own, host=None))  # type: ignore[arg-type]  # it asks nothing of its host

        yield start


async def ask(
    provider: Any,
    context: CallContext,
    messages: tuple[Message, ...] = QUESTION,
    options: GenerateOptions = ANYTHING,
) -> list[Chunk]:
    """Return all chunks of an answer."""
    async with aclosing(provider.generate(messages, options, context)) as chunks:
        return [chunk async for chunk in chunks]


def text(chunks: list[Chunk]) -> str:
    """Return the text of an answer."""
    return "".join(chunk.text for chunk in chunks)


async def attempt(start: Any, url: str, context: CallContext) -> tuple[list[Chunk], OrbitError | None]:
    """Return the chunks that arrived, and the error that came after them."""
    provider = await start(base_url=url, max_retries=0)
    chunks: list[Chunk] = []
    try:
        async with aclosing(provider.generate(QUESTION, ANYTHING, context)) as stream:
            async for chunk in stream:
                chunks.append(chunk)  # noqa: PERF401  # those before an error count
    except OrbitError as error:
        return chunks, error
    return chunks, None


def post(server: RunningServer, message: str = "one two three", *, stream: bool = True, **body: Any) -> httpx.Response:
    """Ask a whole ORBIT server."""
    body = {"message": message, "stream": stream, **body}
    return httpx.post(f"{server.url}/chat", json=body, headers={"X-API-Key": server.key}, timeout=20)


def frames(response: httpx.Response) -> list[dict[str, Any]]:
    """Return the frames of a streamed answer."""
    return [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: ")]


def turn(server: RunningServer, *, stream: bool, **body: Any) -> tuple[int, str, dict[str, Any]]:
    """Return status, text and last frame (or body) of ``/chat``."""
    response = post(server, "hello", stream=stream, **body)
    if response.status_code != 200 or not stream:
        return response.status_code, response.json().get("response", ""), response.json()
    got = frames(response)
    return 200, "".join(frame.get("text", "") for frame in got), got[-1]


async def until(condition: Callable[[], object]) -> None:
    """Wait until something is true; ten seconds are plenty, also on a busy machine."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        await asyncio.sleep(0.005)


@contextmanager
def served_in_thread(wire: W) -> Iterator[W]:
    """Run a stand-in in a thread of its own, for tests that talk to a whole ORBIT server."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, loop).result(10)

    wire.run = run
    try:
        run(wire.start())
        yield wire
    finally:
        run(wire.stop())
        run(asyncio.sleep(0.01))  # cut connections end in the turns that follow
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def check_that_ingest_names_shortened_files(plugin: str, settings: dict[str, Any], folder: Path) -> None:
    """Ingest a long and a short text. The server of the embedding model must refuse ``too_long_to_embed`` requests."""
    sections = {"general": {"data_dir": str(folder / "data")}, plugin: settings, "chroma": {}}
    (folder / "config.yaml").write_text(json.dumps(sections))
    (folder / "long.txt").write_text("secret words of somebody " * 30)
    (folder / "short.txt").write_text("cats and dogs")
    command = [sys.executable, "-m", "orbit", "ingest", "long.txt", "short.txt", "--collection", "docs"]

    ingesting = await asyncio.create_subprocess_exec(*command, cwd=folder, stdout=PIPE, stderr=PIPE)
    printed, said = (stream.decode() for stream in await ingesting.communicate())

    assert ingesting.returncode == 0, said
    assert "Shortened: long.txt: a passage: the embedding model read only " in said
    assert "added      2" in printed
    assert "Shortened: short.txt" not in said


def too_long_to_embed(_path: str, body: dict[str, Any]) -> tuple[int, str] | None:
    """Refuse requests with a text of more than 400 characters."""
    return (400, "input is too long") if max(map(len, body.get("input", [""]))) > 400 else None
