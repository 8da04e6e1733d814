"""What tests of providers that call a model server share, whichever server it is."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import aclosing, contextmanager
from typing import Any, Protocol, TypeVar

from orbit import CallContext, Chunk, GenerateOptions, Message

QUESTION = (Message("user", "one two three"),)
ANYTHING = GenerateOptions()


class Wire(Protocol):
    """A stand-in for a model server. ``run`` runs a coroutine in the loop that serves it."""

    run: Callable[[Coroutine[Any, Any, None]], None] | None

    async def start(self) -> None:
        """Serve."""

    async def stop(self) -> None:
        """Go away."""


W = TypeVar("W", bound=Wire)


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
