"""Half an hour of mixed load on the llama.cpp engine: nothing may fail, leak or change an answer.

    .venv/bin/python bench/soak_llamacpp.py [--minutes 30] [--clients 12] [--threads 2]

Clients arrive at random times with prompts and answers of random lengths. A third gives up at a random moment, a tenth
exceeds the window, and the rest checks that greedy answers equal those that the model gives alone. At the end it prints
the counts and the memory of the engine's process over time. It also prints unexpected errors and then exits with status
1.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import sys
import time
from collections import Counter
from pathlib import Path

from orbit_llamacpp import LlamaCppProvider, LlamaCppSettings

from orbit.errors import PromptTooLong
from orbit.provider import Host
from orbit.types import CallContext, GenerateOptions, Message

SYSTEM = Message("system", "You are the guide of a small museum by the sea. Answer briefly and in full sentences.")
QUESTIONS = [
    "What is the capital of France?",
    "Name three colours.",
    "Why is the sea salty?",
    "What is 2+2?",
    "Tell me about bread. " + "It is made of flour and water. " * 12,
    "Summarise: " + "The ship sailed at dawn and came back at night. " * 20,
]
WINDOW = 1024


class Soak:
    """Asks, compares and counts."""

    def __init__(self, provider: LlamaCppProvider) -> None:
        self.provider = provider
        self.expected: dict[tuple[str, int], str] = {}
        self.done: Counter[str] = Counter()
        self.problems: list[str] = []

    async def ask(self, question: str, tokens: int, key: str = "", give_up: float | None = None) -> str:
        """Return the answer, or the part of it after ``give_up`` seconds."""
        options = GenerateOptions(temperature=0.0, max_tokens=tokens)
        stream = self.provider.generate([SYSTEM, Message("user", question)], options, CallContext("soak", key_id=key))
        text = ""
        with contextlib.suppress(TimeoutError):
            async with contextlib.aclosing(stream), asyncio.timeout(give_up):  # type: ignore[type-var]  # a generator
                async for chunk in stream:
                    text += chunk.text
        return text

    async def client(self, number: int, until: float) -> None:
        """Run one client: ask, wait, ask again."""
        chance = random.Random(number)
        while time.monotonic() < until:
            await asyncio.sleep(chance.expovariate(1.0))
            question, tokens = chance.choice(QUESTIONS), chance.choice((1, 8, 24))
            kind = chance.random()
            try:
                if kind < 0.1:
                    await self.too_long(chance)
                elif kind < 0.4:
                    await self.ask(question, 400, f"key {number % 3}", chance.uniform(0, 2))
                    self.done["given up"] += 1
                else:
                    text = await self.ask(question, tokens, f"key {number % 3}")
                    self.done["answered"] += 1
                    if text != self.expected[question, tokens]:
                        self.problems.append(f"{question[:30]!r} ({tokens}): {text!r}")
            except Exception as error:  # noqa: BLE001 - whatever it is, it was not asked for
                self.problems.append(repr(error))

    async def too_long(self, chance: random.Random) -> None:
        """Check that a prompt over the window is refused as such."""
        try:
            await self.ask("word " * chance.randint(WINDOW, 4 * WINDOW), 8)
        except PromptTooLong:
            self.done["too long"] += 1
        else:
            self.problems.append("a prompt over the window was answered")

    def memory(self) -> int:
        """Return the resident memory of the engine's process, in MiB."""
        engine = self.provider._engine  # noqa: SLF001 - no other way to the process
        assert engine is not None
        status = Path(f"/proc/{engine.pid}/status").read_text("ascii")
        return int(status.split("VmRSS:")[1].split()[0]) // 1024


async def run(minutes: float, clients: int, threads: int) -> int:
    settings = LlamaCppSettings(n_ctx=WINDOW, parallel=4, n_threads=threads, queue_size=256, prefix_cache_mb=64)
    host: Host = None  # type: ignore[assignment]  # the plugin asks nothing of it
    async with LlamaCppProvider("llama_cpp", settings, host) as provider:
        soak = Soak(provider)
        for question in QUESTIONS:
            for tokens in (1, 8, 24):
                soak.expected[question, tokens] = await soak.ask(question, tokens)
        until = time.monotonic() + 60 * minutes
        tasks = [asyncio.ensure_future(soak.client(number, until)) for number in range(clients)]
        sizes = []
        while time.monotonic() < until:
            await asyncio.sleep(max(2.0, 6 * minutes))
            sizes.append(soak.memory())
            print(f"{dict(soak.done)}, {sizes[-1]} MiB, {len(soak.problems)} problems", flush=True)
        await asyncio.gather(*tasks)
        stats = await provider.stats()
        if (stats.running, stats.queued) != (0, 0):
            soak.problems.append(f"sequences left behind: {stats}")
        print(stats)
        print("memory in MiB:", *sizes)
        for problem in soak.problems[:20]:
            print("PROBLEM:", problem)
        return bool(soak.problems)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0, help="how long it goes on")
    parser.add_argument("--clients", type=int, default=12, help="clients at the same time")
    parser.add_argument("--threads", type=int, default=2, help="threads of the engine")
    options = parser.parse_args()
    sys.exit(asyncio.run(run(options.minutes, options.clients, options.threads)))


if __name__ == "__main__":
    main()
