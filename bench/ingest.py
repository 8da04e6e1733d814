"""Ingestion through ORBIT against the bare calls of the same libraries, and its time and memory by size.

    .venv/bin/python bench/ingest.py [--passages 10000] [--rounds 3] [--sizes 1000,10000,100000]

The bare side reads text files, splits them with semantic-text-splitter, embeds with WordLlama and writes to Chroma, a
thousand passages at a time, in one process without ORBIT. Both sides read the same files into a new database, and take
turns in going first. Each size is ingested by each side in a process of its own: the time for a passage should grow on
neither more than on the other, and neither should the memory. Processor time holds on a machine that does other things.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import chromadb
import semantic_text_splitter
import wordllama  # type: ignore[import-untyped]  # ships no types
from orbit_chroma.client_settings import quiet_settings

import orbit
from orbit.config.load import parse_config
from orbit.documents import ingest_paths
from orbit.host.host import OrbitHost

AIM = 1.15
BATCH = 1_000
SIZE, OVERLAP = 900, 100
PER_FILE = 50
"""Passages in a file, about."""
CONFIG = {"wordllama": {"dimension": 64}, "chroma": {}}
WORDS = [f"word{number}" for number in range(2_000)]


def write_files(folder: Path, passages: int) -> None:
    """Write text files that make about this number of passages."""
    for number in range(max(1, passages // PER_FILE)):
        words = random.Random(number).choices(WORDS, k=PER_FILE * 100)
        text = "\n\n".join(" ".join(words[start : start + 90]) + "." for start in range(0, len(words), 90))
        (folder / f"{number:05}.txt").write_text(text)


def bare(files: Path, database: Path) -> int:
    """Read, split, embed and store without ORBIT. Return the number of passages."""
    weights = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True, trunc_dim=64)
    client = chromadb.PersistentClient(database, settings=quiet_settings())
    collection = client.create_collection("bench", embedding_function=None, configuration={"hnsw": {"space": "cosine"}})
    texts: list[str] = []
    metadatas: list[Any] = []
    written = 0

    def write() -> None:
        nonlocal written
        vectors: Any = weights.embed(texts, norm=True)
        ids = [str(written + number) for number in range(len(texts))]
        collection.add(ids=ids, embeddings=vectors, documents=texts, metadatas=metadatas)
        written += len(texts)
        texts.clear()
        metadatas.clear()

    for path in sorted(files.iterdir()):
        splitter = semantic_text_splitter.TextSplitter(SIZE - len(path.stem) - 2, OVERLAP)
        pieces = splitter.chunks(path.read_bytes().decode("utf-8"))
        for piece in pieces:
            texts.append(f"{path.stem}\n\n{piece}")
            metadatas.append({"source": path.name, "title": path.stem, "link": "", "digest": "", "parts": len(pieces)})
            if len(texts) == BATCH:
                write()
    if texts:
        write()
    return written


async def through_orbit(files: Path, data: Path) -> int:
    """Ingest with ORBIT. Return the number of passages."""
    settings = {**CONFIG, "general": {"data_dir": str(data)}, "ingest": {"chunk_size": SIZE, "chunk_overlap": OVERLAP}}
    config, problems = parse_config(settings, "bench", {})
    async with OrbitHost(config, problems, needed=("embed", "index")) as host:
        context = orbit.CallContext("bench")
        return (await ingest_paths(host, "bench", [files], config.host.ingest, context)).passages


def compare(passages: int, rounds: int) -> None:
    """Measure both sides, and print the seconds of each and the ratio of the medians."""
    took: dict[str, list[float]] = {"bare calls": [], "through ORBIT": []}
    with tempfile.TemporaryDirectory() as name:
        files = Path(name) / "files"
        files.mkdir()
        write_files(files, passages)
        for number in range(rounds):
            for side in list(took) if number % 2 else list(took)[::-1]:
                data = Path(name) / f"{number}-{side}"
                start = time.perf_counter()
                written = bare(files, data) if side == "bare calls" else asyncio.run(through_orbit(files, data))
                took[side].append(time.perf_counter() - start)
                print(f"{side:<16}{written:>9} passages{took[side][-1]:>9.2f} s", flush=True)
    ratio = statistics.median(took["through ORBIT"]) / statistics.median(took["bare calls"])
    print(f"ratio of medians: {ratio:.2f} (aim: at most {AIM})")


def grow(sizes: list[int]) -> None:
    """Ingest each size on each side, in a process of its own, and print time, processor time and memory."""
    print(f"{'side':<16}{'passages':>9}{'seconds':>9}{'CPU':>9}{'CPU ms each':>13}{'MiB':>7}")
    for size in sizes:
        for side in ("bare calls", "through ORBIT"):
            command = [sys.executable, __file__, "--one", str(size), "--side", side]
            found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            each = found["cpu"] / found["passages"] * 1000
            print(
                f"{side:<16}{found['passages']:>9}{found['seconds']:>9.1f}{found['cpu']:>9.1f}{each:>13.3f}"
                f"{found['mebibytes']:>7.0f}",
                flush=True,
            )


def one(size: int, side: str) -> None:
    """Ingest one size on one side and print the figures as JSON."""
    with tempfile.TemporaryDirectory() as name:
        files, data = Path(name) / "files", Path(name) / "data"
        files.mkdir()
        write_files(files, size)
        before, start = processor_seconds(), time.perf_counter()
        passages = bare(files, data) if side == "bare calls" else asyncio.run(through_orbit(files, data))
        seconds, cpu = time.perf_counter() - start, processor_seconds() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"passages": passages, "seconds": seconds, "cpu": cpu, "mebibytes": peak}))


def processor_seconds() -> float:
    """Return the processor time of this process and its ended children."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passages", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", default="")
    parser.add_argument("--one", type=int, default=0)
    parser.add_argument("--side", default="through ORBIT")
    arguments = parser.parse_args()
    if arguments.one:
        one(arguments.one, arguments.side)
    else:
        if arguments.rounds:
            compare(arguments.passages, arguments.rounds)
        if arguments.sizes:
            grow([int(size) for size in arguments.sizes.split(",")])
