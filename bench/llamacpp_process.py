"""The overhead of running the engine in a separate process, against the same engine in a thread, alternating.

    .venv/bin/python bench/llamacpp_process.py [--rounds 7] [--tokens 400]

The model is tiny (generated on the spot, 2 layers of 32 values), so the transport of a token dominates, not its
computation. Prints microseconds per token with one and with eight clients, and their difference. A token of a model
with 135 million parameters takes some 12,000 microseconds on two cores, and more with larger models.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import itertools
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from orbit_llamacpp import LlamaCppSettings
from orbit_llamacpp.client import EngineClient
from orbit_llamacpp.engine.engine import Engine
from orbit_llamacpp.protocol import Event, Generate, Sampling

from orbit.types import Message

MODELS = Path(__file__).parents[1] / "tests/kits/gguf_models.py"
IDS = itertools.count(1_000_000)


def write_model(path: Path) -> Path:
    spec = importlib.util.spec_from_file_location("gguf_models", MODELS)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made: Path = module.write_decoder(path, "llama")
    return made


class InThread:
    """The engine in this process. Its events reach the loop as the client's do."""

    def __init__(self, path: Path, settings: LlamaCppSettings) -> None:
        self.queues: dict[int, asyncio.Queue[Event]] = {}
        self.loop = asyncio.get_running_loop()
        self.engine = Engine(path, settings, self.emit)

    def emit(self, events: list[Event]) -> None:
        """Pass events to the loop. Called by the engine's thread."""
        self.loop.call_soon_threadsafe(self.route, events)

    def route(self, events: list[Event]) -> None:
        """Dispatch the events of one step."""
        for event in events:
            if event.id in self.queues:  # otherwise the engine reports its counters
                self.queues[event.id].put_nowait(event)

    async def answer(self, command: Generate) -> int:
        """Read an answer to its end and return the number of events."""
        queue = self.queues[command.id] = asyncio.Queue()
        self.engine.send(command)
        count = 1
        while not (await queue.get()).is_last:
            count += 1
        return count


def request(tokens: int) -> Generate:
    return Generate(next(IDS), (Message("user", "Go on."),), Sampling(temperature=1.0, seed=1), tokens)


async def seconds_for_a_token(answer: Callable[[Generate], Awaitable[int]], clients: int, tokens: int) -> float:
    start = time.perf_counter()
    await asyncio.gather(*(answer(request(tokens)) for _ in range(clients)))
    return (time.perf_counter() - start) / (clients * tokens)


async def run(path: Path, rounds: int, tokens: int) -> None:
    settings = LlamaCppSettings(model_path=str(path), n_ctx=1024, n_threads=1, parallel=8)
    thread, process = InThread(path, settings), EngineClient(path, settings)
    await process.start()

    async def through_process(command: Generate) -> int:
        return len([event async for event in process.events(command)])

    ways = {"a thread": thread.answer, "a process": through_process}
    for clients in (1, 8):
        taken: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(rounds):
            for way, answer in ways.items():
                taken[way].append(await seconds_for_a_token(answer, clients, tokens))
        micros = {way: statistics.median(times) * 1e6 for way, times in taken.items()}
        print(f"{clients} clients: {micros['a thread']:.0f} us a token in a thread, {micros['a process']:.0f} us in a "
              f"process, {micros['a process'] - micros['a thread']:+.0f} us")  # fmt: skip
    await process.close()
    await asyncio.to_thread(thread.engine.close)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="rounds of each way")
    parser.add_argument("--tokens", type=int, default=400, help="tokens of each answer")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(write_model(Path(folder) / "tiny.gguf"), options.rounds, options.tokens))


if __name__ == "__main__":
    main()
