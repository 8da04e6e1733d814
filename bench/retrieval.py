"""The host's overhead on retrieval: one question embedded and searched, through ORBIT and directly.

    .venv/bin/python bench/retrieval.py [--passages 20000] [--questions 400]

The direct side is code without ORBIT: WordLlama's ``embed``, then Chroma's ``query``, on the same collection in the
same process. Both alternate, question by question, so that other load on the machine affects both alike. Prints one
table and the ratio of the medians.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import chromadb
import uvloop
import wordllama  # type: ignore[import-untyped]  # ships no types
from orbit_chroma.client_settings import quiet_settings

import orbit
from orbit.config.load import parse_config
from orbit.host.host import OrbitHost

AIM = 1.15
COLLECTION = "bench"
CONTEXT = orbit.CallContext(request_id="bench")
CONFIG = {
    "general": {"data_dir": ""},
    "wordllama": {},
    "chroma": {"collection": COLLECTION, "relevance_threshold": 0.0, "confidence_threshold": 0.0},
}
WORDS = (  # noqa: SIM905  # a list of fifty quoted words is no easier to read
    "harbour ferry lighthouse ticket winter summer berth sauna bicycle market captain storm anchor sail compass "
    "price island timetable engine signal radio channel depth chart tide current wind crew cargo customs office key "
    "server config vector passage question answer model token prompt plugin store query stream error limit cache"
).split()


def sentence(words: int, seed: int) -> str:
    """Return the same words in another order for each seed."""
    return " ".join(random.Random(seed).choices(WORDS, k=words))


async def fill(host: OrbitHost, passages: int) -> None:
    batch: list[orbit.Document] = []
    for number in range(passages):
        batch.append(orbit.Document(id=str(number), text=sentence(80, number), source=f"s{number // 2000}"))
        if len(batch) == 2000 or number == passages - 1:
            await host.index(COLLECTION, batch, CONTEXT)
            batch = []


async def measure(sides: dict[str, Callable[[str], Awaitable[Any]]], questions: int) -> dict[str, list[float]]:
    """Return milliseconds per question for each side. The sides take turns in going first."""
    took: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(-20, questions):
        question = sentence(9, 1_000_000 + number)
        order = list(sides.items()) if number % 2 else list(sides.items())[::-1]
        for name, ask in order:
            start = time.perf_counter()
            await ask(question)
            if number >= 0:  # the first ones warm up
                took[name].append((time.perf_counter() - start) * 1000)
    return took


async def main(passages: int, questions: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        CONFIG["general"]["data_dir"] = folder  # type: ignore[index]  # the first section is a dict
        config, problems = parse_config(CONFIG, "bench", {})
        async with OrbitHost(config, problems, needed=("embed", "index", "retrieve")) as host:
            start = time.perf_counter()
            await fill(host, passages)
            print(f"{passages} passages in {time.perf_counter() - start:.1f} s")

            retrieve = host.registry.caller("retrieve", "chroma")
            weights = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)
            client = chromadb.PersistentClient(Path(folder) / "chroma", settings=quiet_settings())
            collection = client.get_collection(COLLECTION, embedding_function=None)

            async def through_host(question: str) -> Any:
                return await retrieve(query=orbit.Query(question), limit=4, context=CONTEXT)

            async def directly(question: str) -> Any:
                vectors: Any = weights.embed([question], norm=True)
                return collection.query(
                    query_embeddings=vectors, n_results=10, include=["documents", "metadatas", "distances"]
                )

            took = await measure({"direct calls": directly, "through ORBIT": through_host}, questions)

    print(f"{'':<16}{'p50 ms':>9}{'p95 ms':>9}{'mean ms':>9}")
    for name, values in took.items():
        cuts = statistics.quantiles(values, n=20)
        print(f"{name:<16}{statistics.median(values):>9.3f}{cuts[18]:>9.3f}{statistics.fmean(values):>9.3f}")
    ratio = statistics.median(took["through ORBIT"]) / statistics.median(took["direct calls"])
    print(f"ratio of p50: {ratio:.2f} (aim: at most {AIM})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passages", type=int, default=20_000)
    parser.add_argument("--questions", type=int, default=400)
    arguments = parser.parse_args()
    uvloop.run(main(arguments.passages, arguments.questions))  # the event loop of the server
