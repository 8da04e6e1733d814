"""An ingestion that is killed again and again ends as an undisturbed one does, without starting from the beginning."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

EMBEDDER = """
import time

import numpy as np
import orbit
import zlib


class Plugin(orbit.Provider):
    @orbit.hookimpl
    async def embed(self, texts):
        with open("embedded", "a") as log:
            for text in texts:
                time.sleep(0.01)
                log.write(f"{zlib.crc32(text.encode())}\\n")
                log.flush()
        return np.array([np.random.default_rng(zlib.crc32(text.encode())).random(8) for text in texts], np.float32)
"""
CONFIG = "general: {data_dir: data}\nslowly: {}\nchroma: {collection: docs}\ningest: {chunk_size: 80, batch_size: 40}\n"


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    for number in range(30):
        (folder / f"{number:02}.txt").write_text(f"Note {number}: the ferry leaves at {number}.")
    (folder / "long.txt").write_text(_paragraphs("An early line", 20))
    return folder


def _paragraphs(text: str, count: int) -> str:
    return "\n\n".join(f"{text}, number {number}, which says when the ferry leaves." for number in range(count))


@pytest.fixture
def place(tmp_path: Path) -> Callable[[str], tuple[Path, dict[str, str]]]:
    site = tmp_path / "site"
    (site / "slowly-1.0.dist-info").mkdir(parents=True)
    (site / "slowly.py").write_text(textwrap.dedent(EMBEDDER))
    (site / "slowly-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: slowly\nVersion: 1.0\n")
    (site / "slowly-1.0.dist-info" / "entry_points.txt").write_text("[orbit]\nslowly = slowly:Plugin\n")
    environment = {**os.environ, "PYTHONPATH": str(site)}

    def make(name: str) -> tuple[Path, dict[str, str]]:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.yaml").write_text(CONFIG)
        return folder, environment

    return make


def ingest(folder: Path, environment: dict[str, str], documents: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "orbit", "ingest", str(documents), "--collection", "docs", "--json"]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, start_new_session=True)


def finished(process: subprocess.Popen[bytes]) -> Any:
    out, _ = process.communicate(timeout=240)
    assert process.returncode == 0
    return json.loads(out)


def embedded(folder: Path) -> list[str]:
    log = folder / "embedded"
    return log.read_text().splitlines() if log.exists() else []


def saved(folder: Path) -> int:
    """Return the number of vectors that an interruption would not cost."""
    path = folder / "data" / "unfinished.db"
    if not path.exists():
        return 0
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as database:
        try:
            return int(database.execute("SELECT count(*) FROM vectors").fetchone()[0])
        except sqlite3.OperationalError:  # it is being made
            return 0


def contents(folder: Path) -> Any:
    import chromadb

    client = chromadb.PersistentClient(str(folder / "data" / "chroma"))
    found: Any = client.get_collection("docs", embedding_function=None).get(
        include=["documents", "metadatas", "embeddings"]
    )
    rows = zip(found["ids"], found["documents"], found["metadatas"], found["embeddings"].tolist(), strict=True)
    return sorted(rows, key=lambda row: row[0])


@pytest.mark.processes  # the last kill may come when all is written
def test_three_kills_change_nothing_but_the_time(place: Any, documents: Path) -> None:
    disturbed, environment = place("disturbed")
    undisturbed, _ = place("undisturbed")
    for folder in (disturbed, undisturbed):
        finished(ingest(folder, environment, documents))
    (documents / "long.txt").write_text(_paragraphs("A later line", 800))
    (documents / "03.txt").unlink()
    for number in range(5):
        (documents / f"{number:02}.txt").write_text(f"Note {number} is new.")

    finished(ingest(undisturbed, environment, documents))
    whole = len(embedded(undisturbed)) - len(embedded(disturbed))
    begun = len(embedded(disturbed))
    for number in range(3):
        kept = saved(disturbed)
        process = ingest(disturbed, environment, documents)
        deadline = time.monotonic() + 120
        # The first two are killed while they embed, the last one when all is embedded, while it writes.
        while saved(disturbed) == kept if number < 2 else len(set(embedded(disturbed)[begun:])) < whole:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
    before, kept = len(embedded(disturbed)), saved(disturbed)
    assert kept
    summary = finished(ingest(disturbed, environment, documents))
    assert "long.txt" in summary["updated"]
    assert len(embedded(disturbed)) - before <= whole - kept, "what was kept is not embedded again"
    assert len(set(embedded(disturbed)[begun:])) == whole
    assert contents(disturbed) == contents(undisturbed)
    assert not (disturbed / "data" / "unfinished.db").exists()
