"""The host's overhead on a hook call: a provider called directly, and through the host as the pipeline does it.

    .venv/bin/python bench/hooks.py [--rounds 40] [--calls 500] [--wrapped]

The provider does nothing, so the difference is the host: pluggy, the deadline, named errors, the check of results.
Blocks of calls alternate between both ways, in one process on uvloop. The figures are medians of CPU time, so other
work on the machine matters little. ``--wrapped`` adds the example ``orbit_trace`` around the hooks.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import uvloop

import orbit
from orbit.chat.models.stream import ModelStream
from orbit.chat.ticker import Ticker
from orbit.config.model import Timeouts
from orbit.host.calls.calls import call, fan_out, is_list_of
from orbit.host.host import OrbitHost
from orbit.testing import make_host

if TYPE_CHECKING:
    from orbit.types import Vectors

AIM = 15.0
CONTEXT = orbit.CallContext("bench")
DOCUMENTS = [orbit.Document(str(number), "a passage", "a.md", score=0.5) for number in range(4)]
MESSAGES = (orbit.Message("user", "a question"),)
QUERY = orbit.Query("a question", "bench")
RECORD = orbit.ChatRecord(0.0, "bench", "a question")
OPTIONS = orbit.GenerateOptions()
VECTORS = np.zeros((1, 256), dtype=np.float32)
VERDICT = orbit.Verdict(allowed=True)
CHUNK = orbit.Chunk("word", "stop")
COUNT = orbit.TokenCount(10, 4096)

Call = Callable[[], Awaitable[Any]]


class Nothing(orbit.Provider):
    """Implements the hooks of a turn without doing anything."""

    @orbit.hookimpl
    async def generate(
        self, messages: Sequence[orbit.Message], options: orbit.GenerateOptions, context: orbit.CallContext
    ) -> AsyncIterator[orbit.Chunk]:
        yield CHUNK

    @orbit.hookimpl
    async def count_tokens(self, messages: Sequence[orbit.Message], context: orbit.CallContext) -> orbit.TokenCount:
        return COUNT

    @orbit.hookimpl
    async def embed(self, texts: Sequence[str], kind: str, context: orbit.CallContext) -> Vectors:
        return VECTORS

    @orbit.hookimpl
    async def retrieve(self, query: orbit.Query, limit: int, context: orbit.CallContext) -> Sequence[orbit.Document]:
        return DOCUMENTS

    @orbit.hookimpl
    async def index(self, collection: str, documents: Sequence[orbit.Document], context: orbit.CallContext) -> int:
        return len(documents)

    @orbit.hookimpl
    async def rerank(
        self, query: orbit.Query, documents: Sequence[orbit.Document], limit: int, context: orbit.CallContext
    ) -> Sequence[orbit.Document]:
        return documents

    @orbit.hookimpl
    async def moderate(
        self, stage: str, messages: Sequence[orbit.Message], context: orbit.CallContext
    ) -> orbit.Verdict:
        return VERDICT

    @orbit.hookimpl
    async def log(self, record: orbit.ChatRecord, context: orbit.CallContext) -> None:
        return None


def sides(host: OrbitHost) -> dict[str, tuple[Call, Call]]:
    """Return for each hook the direct call, and the call as the pipeline and the host make it."""
    provider: Any = host.registry["nothing"]
    stream = {"messages": MESSAGES, "options": OPTIONS, "context": CONTEXT}
    generate = host.registry.caller("generate", "nothing")
    ticker = Ticker()
    found: dict[str, tuple[Call, Call]] = {
        "generate": (lambda: iterated(provider.generate(**stream)), lambda: read(generate(**stream), ticker))
    }
    for hook, arguments in ARGUMENTS.items():
        direct = partial(getattr(provider, hook), **arguments)
        caller = partial(host.registry.caller(hook, "nothing"), **arguments)
        if hook in ("retrieve", "moderate"):
            found[hook] = (direct, partial(fan_out, hook, [("nothing", caller)], 10.0))
        elif hook in ("embed", "index"):
            found[hook] = (direct, partial(getattr(host, hook), **arguments))
        elif hook == "log":
            found[hook] = (direct, caller)  # one deadline covers a block of records
        else:
            found[hook] = (direct, partial(called, hook, caller))
    return found


async def iterated(chunks: AsyncIterator[orbit.Chunk]) -> None:
    async for _ in chunks:
        pass


async def read(chunks: Any, ticker: Ticker) -> None:
    reader = ModelStream("nothing", chunks, ticker, Timeouts())
    try:
        while await reader.next() is not None:
            pass
    finally:
        await reader.aclose()


async def called(hook: str, caller: Call) -> None:
    value = await call("nothing", hook, caller, 20.0)
    if hook == "rerank":
        assert is_list_of(value, orbit.Document)


ARGUMENTS: dict[str, dict[str, Any]] = {
    "count_tokens": {"messages": MESSAGES, "context": CONTEXT},
    "embed": {"texts": ["a question"], "kind": "query", "context": CONTEXT},
    "retrieve": {"query": QUERY, "limit": 10, "context": CONTEXT},
    "rerank": {"query": QUERY, "documents": DOCUMENTS, "limit": 10, "context": CONTEXT},
    "moderate": {"stage": "input", "messages": MESSAGES, "context": CONTEXT},
    "log": {"record": RECORD, "context": CONTEXT},
    "index": {"collection": "bench", "documents": DOCUMENTS, "context": CONTEXT},
}


async def microseconds(make: Call, calls: int) -> float:
    """Return the CPU time of one call in microseconds, over a block of calls."""
    started = time.process_time()
    for _ in range(calls):
        await make()
    return (time.process_time() - started) / calls * 1e6


async def main(rounds: int, calls: int, *, wrapped: bool) -> None:
    plugins: dict[str, type[orbit.Provider]] = {"nothing": Nothing}
    config: dict[str, Any] = {"nothing": {}}
    if wrapped:
        sys.path.insert(0, str(Path(__file__).parents[1] / "docs" / "examples" / "orbit_trace"))
        from orbit_trace import Trace  # type: ignore[import-not-found]  # noqa: PLC0415  # found by the line above

        plugins["trace"], config["trace"] = Trace, {}
    with tempfile.TemporaryDirectory() as folder:
        async with make_host(config, Path(folder), plugins) as host:
            print(f"{'hook':<14}{'direct µs':>10}{'host µs':>10}{'added µs':>10}")
            worst = 0.0
            for hook, (direct, through) in sides(host).items():
                times: list[tuple[float, float]] = []
                for _ in range(rounds):
                    times.append((await microseconds(direct, calls), await microseconds(through, calls)))
                    await asyncio.sleep(0)
                one, other = (statistics.median(side) for side in zip(*times, strict=True))
                added = statistics.median(pair[1] - pair[0] for pair in times)
                worst = max(worst, added)
                print(f"{hook:<14}{one:>10.2f}{other:>10.2f}{added:>10.2f}", flush=True)
    print(f"most that is added: {worst:.1f} µs (aim: at most {AIM:g} µs)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--wrapped", action="store_true")
    options = parser.parse_args()
    uvloop.run(main(options.rounds, options.calls, wrapped=options.wrapped))
