"""Searches among passages with a filter that leaves 1 % of them, with readers, and without either, for each store.

Times are medians of whole calls of ``retrieve``, in one process, and rounds of the three kinds take turns.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import orbit

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "kits"))

from chroma_kit import ChromaServer
from orbit_chroma import ChromaProvider
from orbit_lexical import LexicalProvider
from orbit_pgvector import PgvectorProvider
from postgres_kit import PostgresServer
from stores import Lender, vectors_of

CONTEXT = orbit.CallContext("bench")
LIMIT, QUESTIONS, SOURCE = 20, 60, 20
TOPICS = ("library", "harbour", "garden", "bridge", "market", "school", "castle", "station", "museum", "theatre")


def text_of(number: int, chance: np.random.Generator) -> str:
    words = " ".join(chance.choice(TOPICS, 4))
    return f"{number} The {words} opens at {number % 24} o'clock, room {number % 500}."


def queries(number: int) -> dict[str, orbit.Query]:
    """Return the kinds of search for a question."""
    text = f"{number} When does the {TOPICS[number % 10]} {TOPICS[number % 7]} open?"
    rare = orbit.ComparisonFilter("eq", "part", number % 100)
    span = orbit.ComparisonFilter("lt", "share", 0.01)
    staff = frozenset({"staff"})
    return {
        "without": orbit.Query(text, "bench", compared=True, readers=staff),
        "equal, 1 %": orbit.Query(text, "bench", compared=True, readers=staff, filter=rare),
        "less than, 1 %": orbit.Query(text, "bench", compared=True, readers=staff, filter=span),
        "half restricted": orbit.Query(text, "bench", compared=True),
    }


async def measure(label: str, store: Any, count: int) -> None:
    chance = np.random.default_rng(5)
    async with store:
        for start in range(0, count, 1_000):
            await store.index(
                collection="bench",
                documents=[
                    orbit.Document(
                        str(n),
                        text_of(n, chance),
                        f"s{n // SOURCE}",
                        digest="d",
                        metadata={"part": n * 37 % 100, "share": (n * 61 % count) / count},
                        readers=("staff",) if n % 2 else (),
                    )
                    for n in range(start, min(count, start + 1_000))
                ],
                **({} if label == "lexical" else {"context": CONTEXT}),
            )
        clocks: dict[str, list[float]] = {}
        found: dict[str, int] = {}
        for number in range(QUESTIONS):
            for kind, query in queries(number).items():
                arguments = (query, LIMIT) if label == "lexical" else (query, LIMIT, CONTEXT)
                clock = time.perf_counter()
                documents = await store.retrieve(*arguments)
                clocks.setdefault(kind, []).append(time.perf_counter() - clock)
                found[kind] = found.get(kind, 0) + len(documents)
    figures = ", ".join(
        f"{kind}: {median(took) * 1e3:.1f} ms ({found[kind] / QUESTIONS:.1f} found)" for kind, took in clocks.items()
    )
    print(f"{label:<14} {count:>7}  {figures}", flush=True)


async def compare(count: int, only: str) -> None:
    passages, questions = vectors_of(count, 1), vectors_of(QUESTIONS, 2)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        lender: Any = Lender(folder, passages, questions)
        if only in ("", "lexical"):
            await measure("lexical", LexicalProvider("lexical", LexicalProvider.Settings(), lender), count)
        if only in ("", "chroma"):
            await measure("chroma", ChromaProvider("chroma", ChromaProvider.Settings(), lender), count)
        if only in ("", "chroma server"):
            server = ChromaServer(folder / "server")
            (folder / "server").mkdir()
            server.start()
            stack.callback(server.stop)
            settings = ChromaProvider.Settings(host="127.0.0.1", port=server.port, timeout=600)
            await measure("chroma server", ChromaProvider("chroma", settings, lender), count)
        if only in ("", "pgvector"):
            postgres = stack.enter_context(PostgresServer())
            for label, own in (("pgvector", {}), ("pgvector hnsw", {"index_from": 0, "schema": "hnsw"})):
                section = PgvectorProvider.Settings(**{**postgres.section, **own, "timeout": 600})
                await measure(label, PgvectorProvider("pgvector", section, lender), count)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--only", default="", help="one store")
    asyncio.run(compare(**vars(parser.parse_args())))
