"""Compares orbit_pgvector with orbit_chroma, both on servers: time and memory of ingestion, time and recall of search.

Vectors are made, so that only the stores are measured: 384 dimensions around 2,000 topics. Times are of the processors
(client and server), which a busy machine changes less than the clock's.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil  # type: ignore[import-untyped]  # it comes without types

import orbit

KITS = Path(__file__).resolve().parents[1] / "tests" / "kits"
sys.path.insert(0, str(KITS))

from chroma_kit import ChromaServer  # noqa: E402
from orbit_chroma import ChromaProvider  # noqa: E402
from orbit_pgvector import PgvectorProvider, tables  # noqa: E402
from postgres_kit import PostgresServer  # noqa: E402

DIMENSION, INNER, TOPICS = 384, 48, 2_000
CONTEXT = orbit.CallContext("bench")
TEXT = "The library opens at nine on Saturdays, and at ten on Sundays. " * 12
SOURCE = 20
"""Passages of a source."""
BATCH = 1_000
QUESTIONS = 200
LIMIT = 10


def vectors_of(count: int, seed: int) -> Any:
    """Return unit vectors as of embeddings: near topics on a surface of fewer dimensions."""
    fixed, own = np.random.default_rng(0), np.random.default_rng(seed)
    basis, topics = fixed.normal(size=(INNER, DIMENSION)), fixed.normal(size=(TOPICS, INNER))
    inner = topics[own.integers(0, TOPICS, count)] + 0.7 * own.normal(size=(count, INNER))
    vectors = (inner @ basis + 0.5 * own.normal(size=(count, DIMENSION))).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class Lender:
    """A host whose model knows the vector of each text by its number."""

    embedding = "bench/made"

    def __init__(self, folder: Path, passages: Any, questions: Any) -> None:
        self.data_dir = folder
        self._vectors = {"document": passages, "query": questions}

    def embeds(self, _: str) -> bool:
        return True

    async def embed(self, texts: Sequence[str], kind: str, *_: Any) -> Any:
        return self._vectors[kind][[int(text.partition(" ")[0]) for text in texts]]


def spent(processes: list[psutil.Process]) -> float:
    """Return the processor time of processes and of all their children, those that ended too."""
    total = 0.0
    for process in processes:
        times = process.cpu_times()
        total += times.user + times.system + times.children_user + times.children_system
        for child in process.children(recursive=True):
            own = child.cpu_times()
            total += own.user + own.system
    return total


def memory(process: psutil.Process) -> float:
    """Return the memory of a server, its children included, in MB; what they share counts once."""
    infos = [one.memory_info() for one in (process, *process.children(recursive=True))]
    return float(sum(info.rss - info.shared for info in infos) + max(info.shared for info in infos)) / 1e6


async def fill(store: orbit.Provider, count: int) -> None:
    for start in range(0, count, BATCH):
        documents = [
            orbit.Document(str(n), f"{n} {TEXT}", f"s{n // SOURCE}", digest="d")
            for n in range(start, min(count, start + BATCH))
        ]
        await store.index(collection="bench", documents=documents, context=CONTEXT)  # type: ignore[attr-defined]


async def measure(label: str, store: Any, server: int, count: int, truth: Any) -> None:
    processes = [psutil.Process(), psutil.Process(server)]
    async with store:
        before, clock = spent(processes), time.perf_counter()
        await fill(store, count)
        if label.endswith("once"):
            async with store._database.writing() as connection:  # noqa: SLF001 - as the command does
                table = await tables.find(connection, "bench", lock=True)
                assert table is not None
                await connection.execute("SET LOCAL maintenance_work_mem = '1GB'")
                await tables.build_index(connection, table)
        filled, took = spent(processes) - before, time.perf_counter() - clock
        found, before, clocks = 0, spent(processes), []
        for number in range(QUESTIONS):
            clock = time.perf_counter()
            query = orbit.Query(f"{number} ?", "bench", compared=True)
            documents = await store.retrieve(query, LIMIT, CONTEXT)
            clocks.append(time.perf_counter() - clock)
            found += len({int(document.id) for document in documents} & set(truth[number]))
        asked = (spent(processes) - before) / QUESTIONS
    print(
        f"{label:<22} {count:>7}  ingest {filled / count * 1e3:6.3f} ms CPU ({took / count * 1e3:6.3f} ms) a passage  "
        f"query {asked * 1e3:6.2f} ms CPU (median {sorted(clocks)[QUESTIONS // 2] * 1e3:6.2f} ms)  "
        f"recall@{LIMIT} {found / QUESTIONS / LIMIT:.3f}  server {memory(psutil.Process(server)):6.0f} MB",
        flush=True,
    )


def size(folder: Path) -> int:
    """Return what a folder takes on disk, in MB."""
    return int(subprocess.run(["du", "-sm", str(folder)], check=True, capture_output=True).stdout.split()[0])


async def compare(count: int, only: str) -> None:
    passages, questions = vectors_of(count, 1), vectors_of(QUESTIONS, 2)
    truth = [np.argpartition(-(passages @ question), LIMIT)[:LIMIT].tolist() for question in questions]
    with tempfile.TemporaryDirectory() as folder:
        lender = Lender(Path(folder), passages, questions)
        if only in ("", "chroma"):
            chroma = ChromaServer(Path(folder))
            chroma.start()
            try:
                assert chroma.process is not None
                settings = ChromaProvider.Settings(host="127.0.0.1", port=chroma.port, timeout=600)
                store = ChromaProvider("chroma", settings, lender)  # type: ignore[arg-type]
                await measure("chroma", store, chroma.process.pid, count, truth)
                print(f"  on disk {size(Path(folder))} MB", flush=True)
            finally:
                chroma.stop()
        for label, index_from in (
            ("pgvector", 10_000),
            ("pgvector, indexed once", None),
            ("pgvector, exact", None),
        ):
            if only not in ("", label):
                continue
            with PostgresServer() as server:
                config = PgvectorProvider.Settings(**server.section, index_from=index_from)
                provider = PgvectorProvider("pgvector", config, lender)  # type: ignore[arg-type]
                await measure(label, provider, server.pid, count, truth)
                print(f"  on disk {size(server.data)} MB", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="10000,100000")
    parser.add_argument("--only", default="", help="chroma, pgvector, or another label")
    arguments = parser.parse_args()
    for wanted in arguments.sizes.split(","):
        asyncio.run(compare(int(wanted), arguments.only))
