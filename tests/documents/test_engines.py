"""Engines: what reads, splits and embeds files elsewhere, and what ingestion makes of it."""

import pickle
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest

from orbit import CallContext, Notice, OrbitError
from orbit.cli import main
from orbit.config.model import Ingest
from orbit.documents import Options, Summary, ingest_paths
from orbit.documents.engines import Engine, Job, Prepared, Worker, engine, job_of
from orbit.host.host import OrbitHost
from orbit.testing import host

CONTEXT = CallContext("test")
NAME = "docs"
CONFIG: dict[str, Any] = {"echo": {}, "wordllama": {}, "lexical": {}, "chroma": {}}
MADE = 7
"""The dimension of vectors that no model here makes."""


class Elsewhere:
    """An engine in this process: the worker gets its job as another process would."""

    width = 2

    def __init__(self, job: Job, *, vectors: bool = False, unreadable: str = "") -> None:
        self._worker = Worker(pickle.loads(pickle.dumps(job)), 2)
        self._vectors = vectors
        self._unreadable = unreadable
        self.read_files: list[str] = []

    async def __aenter__(self) -> Self:
        await self._worker.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._worker.__aexit__(None, None, None)

    async def read(self, source: str, content: bytes, digest: str) -> Prepared:
        self.read_files.append(source)
        if self._unreadable:
            return Prepared(unreadable=self._unreadable, passing=True)
        prepared = await self._worker.read(source, content, digest)
        if not self._vectors or not prepared.documents:
            return prepared
        vectors = np.ones((len(prepared.documents), MADE), np.float32)
        notices = (Notice(prepared.documents[0].text, "was cut"),)
        return Prepared(prepared.documents, embedding=prepared.embedding, vectors=vectors, notices=notices)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "files"
    made.mkdir()
    for number in range(5):
        (made / f"{number}.md").write_text(f"# Page {number}\n\n" + f"The ferry {number} leaves at noon. " * 80)
    (made / "broken.pdf").write_bytes(b"%PDF-1.4 garbage")
    return made


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[OrbitHost]:
    async with host(CONFIG, tmp_path / "data") as running:
        yield running


async def ingested(made: OrbitHost, name: str, folder: Path, engine: Engine | None = None) -> Summary:
    options = Options(engine=engine, plugins=made.file_plugins)
    return await ingest_paths(made, name, [folder], Ingest(readers=1), CONTEXT, None, options)


async def passages(made: OrbitHost, store: str, collection: str) -> Any:
    sources = sorted(await made.list_sources(collection, CONTEXT))
    return await made.registry.caller("list_passages", store)(collection=collection, sources=sources, context=CONTEXT)


async def test_an_engine_gives_the_same_passages(made: OrbitHost, folder: Path) -> None:
    here = await ingested(made, "here", folder)
    async with Elsewhere(await job_of(made, NAME, CONTEXT)) as elsewhere:
        there = await ingested(made, NAME, folder, elsewhere)
    assert (there.added, there.skipped, there.passages) == (here.added, here.skipped, here.passages)
    for store in ("lexical", "chroma"):
        assert await passages(made, store, NAME) == await passages(made, store, "here")


async def test_files_that_have_not_changed_are_not_read(made: OrbitHost, folder: Path) -> None:
    await ingested(made, NAME, folder)
    (folder / "3.md").write_text("# Another\n\npage")
    async with Elsewhere(await job_of(made, NAME, CONTEXT)) as elsewhere:
        summary = await ingested(made, NAME, folder, elsewhere)
    assert (sorted(elsewhere.read_files), summary.updated) == (["3.md", "broken.pdf"], ("3.md",))


async def test_the_stores_take_the_engines_vectors(made: OrbitHost, folder: Path) -> None:
    async with Elsewhere(await job_of(made, NAME, CONTEXT), vectors=True) as elsewhere:
        summary = await ingested(made, NAME, folder, elsewhere)
    assert [one.reason for one in summary.shortened] == ["was cut"] * 5
    (collection,) = [one for one in await made.list_collections(CONTEXT) if one.embedding]
    assert collection.dimension == MADE


async def test_an_engines_own_trouble_leaves_earlier_passages(made: OrbitHost, folder: Path) -> None:
    await ingested(made, NAME, folder)
    for page in folder.glob("*.md"):
        page.write_text("# Changed")
    async with Elsewhere(await job_of(made, NAME, CONTEXT), unreadable="was lost") as elsewhere:
        summary = await ingested(made, NAME, folder, elsewhere)
    assert {one.reason for one in summary.skipped} == {"was lost"}
    assert (summary.removed, len(await passages(made, "chroma", NAME))) == (
        (),
        len(await passages(made, "lexical", NAME)),
    )
    assert await passages(made, "chroma", NAME)


async def test_what_a_worker_cannot_embed_the_host_embeds(made: OrbitHost, folder: Path) -> None:
    job = await job_of(made, NAME, CONTEXT)
    async with Elsewhere(Job(job.config, job.plugins, "wordllama/absent")) as elsewhere:
        assert (await elsewhere.read("a.md", b"# One", "d")).vectors is None
        assert len((await ingested(made, NAME, folder, elsewhere)).added) == 5


async def test_without_a_model_nothing_is_embedded(tmp_path: Path, folder: Path) -> None:
    async with host({"echo": {}, "lexical": {}}, tmp_path / "data") as made:
        job = await job_of(made, NAME, CONTEXT)
        assert job.embedding == ""
        async with Elsewhere(job) as elsewhere:
            assert len((await ingested(made, NAME, folder, elsewhere)).added) == 5


async def test_a_worker_embeds_with_the_model_of_the_collection(tmp_path: Path, folder: Path) -> None:
    async with host(CONFIG, tmp_path / "data") as made:
        await ingested(made, NAME, folder)
    config = CONFIG | {"onnx": {}, "general": {"embedding_provider": "onnx"}}
    async with host(config, tmp_path / "data") as made:
        assert (await job_of(made, NAME, CONTEXT)).embedding.startswith("wordllama/")
        assert (await job_of(made, "another", CONTEXT)).embedding.startswith("onnx/")


def test_an_engine_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OrbitError, match="No engine is named 'spark'"):
        engine("spark")
    monkeypatch.setattr("orbit.documents.engines.entry_points", lambda **_: [])
    with pytest.raises(OrbitError, match="Install it: pip install orbit-ray"):
        engine("ray")


@pytest.mark.parametrize("option", [("--workers", "2"), ("--address", "head:6379")])
def test_options_of_an_engine_need_one(
    option: tuple[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["orbit", "ingest", str(folder), "--collection", NAME, *option])
    with pytest.raises(SystemExit):
        main()
    assert "need --engine" in capsys.readouterr().err
