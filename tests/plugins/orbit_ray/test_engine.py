"""Ingestion on a real Ray cluster of this machine."""

import asyncio
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import psutil  # type: ignore[import-untyped]  # it comes without types
import pytest
from orbit_ray import RayEngine

import orbit
from orbit.documents import Summary, ingest_paths
from orbit.documents.engines import Job
from orbit.host.host import OrbitHost

CONTEXT = orbit.CallContext("test")
CONFIG = "general: {data_dir: data}\necho: {}\nonnx: {}\nlexical: {}\nchroma: {path: chroma}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "files").mkdir()
    for number in range(8):
        lines = (f"The ferry number {number} leaves pier {n} at {n} o'clock, except in winter." for n in range(160))
        (tmp_path / "files" / f"{number}.md").write_text(f"# Ferry {number}\n\n" + "\n\n".join(lines))
    return tmp_path


async def ingested(collection: str) -> Summary:
    """Ingest in this process."""
    async with OrbitHost.from_file() as host:
        return await ingest_paths(host, collection, [Path("files")], host.config.host.ingest, CONTEXT)


def reading(parent: int) -> psutil.Process:
    """Wait until a worker has a file."""
    for _ in range(2_400):
        for process in psutil.Process(parent).children(recursive=True):
            with suppress(psutil.Error):  # it has ended
                if process.cmdline()[:1] == ["ray::RayWorker.read"]:
                    return process
        time.sleep(0.05)
    raise TimeoutError


async def stored(collection: str) -> tuple[Any, Any, dict[str, float]]:
    """The passages of both stores, and the scores of some."""
    async with OrbitHost.from_file() as host:
        sources = sorted(await host.list_sources(collection, CONTEXT))
        wanted = {"collection": collection, "sources": sources, "context": CONTEXT}
        words, vectors = [await host.registry.caller("list_passages", one)(**wanted) for one in ("lexical", "chroma")]
        query = orbit.Query("When does the ferry number 7 leave?", collection, compared=True)
        found = await host.registry.caller("retrieve", "chroma")(query=query, limit=20, context=CONTEXT)
    return words, vectors, {document.id: document.score for document in found}


@pytest.mark.processes
def test_a_worker_that_is_killed_loses_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    alone = asyncio.run(ingested("alone"))
    command = [sys.executable, "-m", "orbit", "ingest", "files", "--collection", "lost", "--json"]
    with subprocess.Popen([*command, "--engine", "ray", "--workers", "2"], stdout=subprocess.PIPE) as running:
        victim = reading(running.pid)
        others = psutil.Process(running.pid).children(recursive=True)
        victim.kill()
        out, _ = running.communicate(timeout=240)
    lost = msgspec.json.decode(out, type=Summary)
    assert lost == msgspec.structs.replace(alone, collection="lost")
    expected, made = asyncio.run(stored("alone")), asyncio.run(stored("lost"))
    assert made[:2] == expected[:2]
    assert made[2] == pytest.approx(expected[2], abs=1e-3)
    assert asyncio.run(ingested("lost")).unchanged == alone.added
    assert psutil.wait_procs(others, timeout=30)[1] == []


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:1", "cannot join the Ray cluster: .*refused"),
        ("ray://head:10001", "the address is HOST:PORT"),
        ("head", "the address is HOST:PORT"),
    ],
)
async def test_a_cluster_that_is_not_there_is_named(address: str, said: str) -> None:
    job = Job(config=None, plugins=None, embedding="")  # type: ignore[arg-type]  # nobody reads it
    with pytest.raises(orbit.ProviderError, match=said):
        async with RayEngine(job, address, 0):
            pass


def test_importing_it_is_light() -> None:
    code = "import sys, orbit_ray; print([m for m in ('ray', 'orbit.documents') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
