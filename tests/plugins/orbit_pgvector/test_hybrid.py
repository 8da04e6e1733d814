"""pgvector beside the full-text index: one fused list, and both stores stay equal."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from orbit import CallContext
from orbit.config.model import Ingest
from orbit.documents import ingest_paths
from orbit.testing import host, serve

CONTEXT = CallContext("test")
NAME = "docs"


@pytest.fixture
def config(section: dict[str, Any]) -> dict[str, Any]:
    return {"echo": {}, "wordllama": {}, "lexical": {}, "pgvector": section}


def test_words_and_vectors_are_fused(config: dict[str, Any], tmp_path: Path) -> None:
    rows = [f"E{10_000 + 37 * n},valve,replace it" for n in range(100)]
    (tmp_path / "errors.csv").write_text("\n".join(["Code,Part,Remedy", *rows]))
    with serve(config, tmp_path / "data", collection=NAME) as server:
        server.call(ingest_paths(server.services.host, NAME, [tmp_path / "errors.csv"], Ingest(readers=1), CONTEXT))
        body = {"message": "What do I do about error E10740?", "stream": False}
        answer = httpx.post(f"{server.url}/chat", json=body, headers={"X-API-Key": server.key}).json()
        assert "E10740" in answer["sources"][0]["text"]


async def test_it_is_filled_from_the_other_store(config: dict[str, Any], tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.md").write_text(f"# Page {number}\n\n" + f"The lighthouse {number} opens at nine. " * 60)
    files = sorted(tmp_path.glob("*.md"))
    alone = {name: values for name, values in config.items() if name != "pgvector"}
    async with host(alone, tmp_path / "data") as before:
        await ingest_paths(before, NAME, files, Ingest(readers=1), CONTEXT)
    async with host(config, tmp_path / "data") as made:
        assert set((await made.complete(NAME, CONTEXT)).written) == {"0.md", "1.md", "2.md"}
        assert await made.stores.differing(CONTEXT) == []
        listing = {"collection": NAME, "sources": ["1.md", "0.md"], "context": CONTEXT}
        words, vectors = [
            await made.registry.caller("list_passages", name)(**listing) for name in ("lexical", "pgvector")
        ]
        assert words == vectors
        assert len((await ingest_paths(made, NAME, files, Ingest(readers=1), CONTEXT)).unchanged) == 3


def test_shards_are_filled_one_by_one_and_searched_together(section: dict[str, Any], tmp_path: Path) -> None:
    shards = {f"shard{n}": {"use": "pgvector", **section, "schema": f"{section['schema'][:50]}_{n}"} for n in (1, 2, 3)}
    config = {"echo": {}, "wordllama": {}, **shards}
    for n, name in enumerate(shards):
        page = tmp_path / f"{n}.md"
        page.write_text(f"# Lighthouse {n}\n\nThe lighthouse on island {n} opens at nine.")
        asyncio.run(fill(config | {"general": {"store_provider": name}}, tmp_path / name, page))
    with serve(config | {"general": {"store_provider": "shard1"}}, tmp_path / "data", collection=NAME) as server:
        body = {"message": "When does the lighthouse open?", "stream": False}
        answer = httpx.post(f"{server.url}/chat", json=body, headers={"X-API-Key": server.key}).json()
    assert {one["source"] for one in answer["sources"]} == {"0.md", "1.md", "2.md"}


async def fill(config: dict[str, Any], data: Path, page: Path) -> None:
    async with host(config, data) as made:
        assert (await ingest_paths(made, NAME, [page], Ingest(readers=1), CONTEXT)).added == (page.name,)
