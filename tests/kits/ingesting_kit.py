"""Ingests a folder as ``orbit ingest`` does, and prints a line for each step: ``python ingesting_kit.py DATA FOLDER``.

A step is a batch of embedded passages, or files that are done. The process waits for a line after each, so that whoever
kills it knows what it has done. The last line has the passages of each store.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path

from orbit import CallContext, Query
from orbit.config.model import Ingest
from orbit.documents import Options, Origins, Progress, ingest_paths
from orbit.testing import host

STORES = ("chroma", "lexical")
DONE = "done "


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def report(step: Progress) -> None:
    say(f"{step.done} {step.passages} {step.embedded}")
    sys.stdin.readline()


async def ingested(
    data: Path, folder: Path, progress: Callable[[Progress], None] | None = None
) -> dict[str, list[str]]:
    """Ingest a folder. Return the passages of each store, with their sources and digests."""
    context = CallContext("torture", collection="office")
    options = Options(prune=True, origins=Origins.of(data))
    async with host({"echo": {}, "wordllama": {}, "chroma": {}, "lexical": {}}, data) as running:
        await ingest_paths(running, "office", [folder], Ingest(batch_size=10, readers=1), context, progress, options)
        found = {}
        for store in STORES:
            retrieve = running.registry.caller("retrieve", store)
            documents = await retrieve(query=Query("office rule", "office"), limit=1000, context=context)
            found[store] = sorted(f"{one.id} {one.source} {one.digest} {one.text} {one.metadata}" for one in documents)
    return found


if __name__ == "__main__":
    say(DONE + json.dumps(asyncio.run(ingested(Path(sys.argv[1]), Path(sys.argv[2]), report))))
