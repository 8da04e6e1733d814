"""Times searches over many passages. Two processes do it for each number of them: one writes them, another one asks.

`bench/quality.py --passages` calls it. The passages have 90 made words. Their vectors are random, so that no model has
to embed them; nothing is harder for an index of neighbours. The model embeds the questions.

    python bench/search_speed.py [--passages 100000,1000000]

times the full-text search alone, whose index grows from each number of passages to the next. Lines come from a pool,
so that each is cut into terms once: that is most of the work of writing a million passages.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray
from orbit_lexical import shelf, terms

from orbit import CallContext, Document, Provider, Query, hookimpl
from orbit.chat.turn import Turn
from orbit.evaluation.asking import searching
from orbit.system.memory import give_back
from orbit.testing import make_host

T = TypeVar("T")
Config = Mapping[str, Any]

NAMES = {"chroma": "dense"}
COLLECTION = "many"
CONTEXT = CallContext("speed", collection=COLLECTION)
BATCH, WORDS, ASKED = 2_000, 90, 9
COMMIT, LINES, LINE = 20_000, 20_000, 10
"""Passages of a commit of the full-text index alone, lines of its pool, and words of each."""
QUESTIONS, WARMING, LIMIT = 100, 20, 10
RERANKED = 10
"""Questions that are reranked: a language model takes seconds for one."""
SYLLABLES = ("ba", "cor", "du", "el", "fin", "go", "ha", "im", "ja", "kel", "lo", "mar", "ni", "or", "pe", "qui", "ra")
MADE = [f"{a}{b}{c}" for a in SYLLABLES for b in SYLLABLES for c in SYLLABLES]
USUAL = [1 / (1 + number) for number in range(len(MADE))]


class Noise(Provider):
    """Gives passages random vectors in the name of a model."""

    class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
        """The model that it stands for."""

        model: str
        dimension: int

    settings: Settings

    def model(self, hook: str) -> str:
        return self.settings.model

    @hookimpl
    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        size = len(texts), self.settings.dimension
        vectors: NDArray[np.float32] = np.random.default_rng().standard_normal(size, dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors


async def write(config: Config, embedder: str, folder: Path, passages: int) -> float:
    """Write passages into all stores and return the seconds that it took."""
    async with make_host(config, folder) as host:
        vectors = await host.embed(["one"], "document", CONTEXT)
        noise = {"model": host.registry[embedder].model("embed"), "dimension": vectors.shape[1]}
    chance = random.Random(3)
    started = time.perf_counter()
    async with make_host({**config, embedder: noise}, folder, {embedder: Noise}) as host:
        for start in range(0, passages, BATCH):
            texts = [" ".join(chance.choices(MADE, USUAL, k=WORDS)) for _ in range(min(BATCH, passages - start))]
            documents = [Document(str(start + n), text, f"{start}.md", digest="1") for n, text in enumerate(texts)]
            await host.index(COLLECTION, documents, CONTEXT)
    return time.perf_counter() - started


async def ask(config: Config, folder: Path, questions: int) -> dict[str, tuple[float, float, float]]:
    """Ask questions in each way. Return the median, the 95th percentile and the processor's mean, in milliseconds."""
    chance = random.Random(4)
    asked = [" ".join(chance.choices(MADE, USUAL, k=ASKED)) for _ in range(WARMING + questions)]
    took: dict[str, list[tuple[float, float]]] = {}
    async with make_host({**config, "retrieval": {"threshold": 0}}, folder) as host:
        give_back()  # as a server does when it has started
        retrieval = searching(host)
        for number, question in enumerate(asked):
            query = Query(question, COLLECTION, compared=True)
            ways: dict[str, Callable[[], Awaitable[Any]]] = {
                NAMES.get(name, name): partial(caller, query=query, limit=LIMIT, context=CONTEXT)
                for name, caller in host.registry.callers("retrieve").items()
            }
            ways["reranked" if host.registry.implementing("rerank") else "fused"] = partial(
                retrieval.search, Turn(question, CONTEXT)
            )
            for name, way in ways.items():
                started, used = time.perf_counter(), time.process_time()
                await way()
                if number >= WARMING:
                    spent = (time.perf_counter() - started, time.process_time() - used)
                    took.setdefault(name, []).append((spent[0] * 1000, spent[1] * 1000))
    figures = {}
    for name, of in took.items():
        wall = [one for one, _ in of]
        figures[name] = (
            statistics.median(wall),
            statistics.quantiles(wall, n=20)[18],
            statistics.fmean(x for _, x in of),
        )
    return figures


def resident() -> float:
    """Return the most memory that this process has had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _write(config: Config, embedder: str, folder: Path, passages: int) -> tuple[float, float]:
    return asyncio.run(write(config, embedder, folder, passages)), resident()


def _ask(config: Config, folder: Path, questions: int) -> tuple[dict[str, tuple[float, float, float]], float]:
    return asyncio.run(ask(config, folder, questions)), resident()


def apart(work: Callable[..., T], *arguments: Any) -> T:
    """Return what a function does in a process of its own, whose memory is nobody else's."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(work, *arguments).result()


def speed(config: Config, embedder: str, reranker: Config, numbers: Sequence[int]) -> None:
    """Print milliseconds a question, and memory, for each number of passages."""
    print("\nmilliseconds a question: p50, p95, mean of the processor's")
    print(f"{'passages':>9} {'way':<10}{'p50':>8}{'p95':>8}{'CPU':>8}{'MiB':>8}")
    for number in numbers:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            seconds, most = apart(_write, config, embedder, folder, number)
            show_written(number, seconds, most, folder)
            for more, questions in (({}, QUESTIONS), (reranker, RERANKED)) if reranker else (({}, QUESTIONS),):
                figures, memory = apart(_ask, {**config, **more}, folder, questions)
                shown = {way: of for way, of in figures.items() if way == "reranked" or not more}
                show_asked(shown, memory)


def show_written(number: int, seconds: float, most: float, folder: Path) -> None:
    """Print what writing took."""
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 2**20
    print(f"{number:9} written in {seconds:.0f} s with {most:.0f} MiB of memory; {size:.0f} MiB on disk", flush=True)


def show_asked(figures: Mapping[str, tuple[float, float, float]], memory: float) -> None:
    """Print what each way of asking took."""
    for way, (median, high, processor) in figures.items():
        print(f"{'':9} {way:<10}{median:8.1f}{high:8.1f}{processor:8.1f}{memory:8.0f}", flush=True)


async def _grow(folder: Path, start: int, stop: int) -> float:
    """Write passages into a full-text index and return the seconds that it took."""
    line_terms = lru_cache(maxsize=None)(terms.indexed)

    def indexed(text: str) -> tuple[str, str]:
        stems, pieces = zip(*map(line_terms, text.split("\n")), strict=True)
        return " ".join(stems), " ".join(pieces)

    vars(shelf)["indexed"] = indexed
    chance = random.Random(3)
    pool = [" ".join(chance.choices(MADE, USUAL, k=LINE)) for _ in range(LINES)]
    started = time.perf_counter()
    async with make_host({"echo": {}, "lexical": {}}, folder) as host:
        for first in range(start, stop, COMMIT):
            numbers = range(first, min(stop, first + COMMIT))
            texts = ["\n".join(chance.choices(pool, k=WORDS // LINE)) for _ in numbers]
            documents = [
                Document(str(n), text, f"{first}.md", digest="1") for n, text in zip(numbers, texts, strict=True)
            ]
            await host.index(COLLECTION, documents, CONTEXT)
    return time.perf_counter() - started


def _written(folder: Path, start: int, stop: int) -> tuple[float, float]:
    return asyncio.run(_grow(folder, start, stop)), resident()


def main() -> None:
    """Time the full-text search."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--passages", default="100000,1000000", help="numbers of passages, upwards")
    numbers = [int(number) for number in parser.parse_args().passages.split(",")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for start, stop in zip([0, *numbers], numbers, strict=False):
            seconds, most = apart(_written, folder, start, stop)
            show_written(stop, seconds, most, folder)
            figures, memory = apart(_ask, {"echo": {}, "lexical": {}}, folder, QUESTIONS)
            show_asked(figures, memory)


if __name__ == "__main__":
    main()
