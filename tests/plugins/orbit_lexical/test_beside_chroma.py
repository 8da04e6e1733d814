"""The lexical store beside a vector store: codes come first, and both stay equal whatever fails."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from orbit import CallContext, ProviderError
from orbit.config.model import Ingest
from orbit.documents import ingest_paths
from orbit.host.host import OrbitHost
from orbit.testing import host, serve

CONTEXT = CallContext("test")
NAME = "docs"
CONFIG: dict[str, Any] = {"echo": {}, "wordllama": {}, "chroma": {}, "lexical": {}}


def test_the_row_of_an_error_code_is_the_first_source(tmp_path: Path) -> None:
    chance = random.Random(3)
    parts, remedies = ("valve", "motor", "display"), ("replace it", "restart it", "check the fuse")
    codes = chance.sample(range(10_000, 99_999), 300)
    rows = [f"E{code},{chance.choice(parts)},{chance.choice(remedies)}" for code in codes]
    (tmp_path / "errors.csv").write_text("\n".join(["Code,Part,Remedy", *rows]))
    with serve(CONFIG, tmp_path / "data", collection=NAME) as server:
        made = server.services.host
        server.call(ingest_paths(made, NAME, [tmp_path / "errors.csv"], Ingest(), CONTEXT))
        for code in codes[:20]:
            body = {"message": f"What do I do about error E{code}?", "stream": False}
            answer = httpx.post(f"{server.url}/chat", json=body, headers={"X-API-Key": server.key}).json()
            assert f"E{code}" in answer["sources"][0]["text"]


async def test_a_collection_of_the_vector_store_alone_still_answers(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("The lighthouse opens at nine.")
    alone = {name: section for name, section in CONFIG.items() if name != "lexical"}
    async with host(alone, tmp_path / "data") as before:
        await ingest_paths(before, NAME, [tmp_path / "a.txt"], Ingest(), CONTEXT)
    async with host(CONFIG, tmp_path / "data") as made:
        assert await made.list_sources(NAME, CONTEXT) == {"a.txt": ""}
        summary = await ingest_paths(made, NAME, [tmp_path / "a.txt"], Ingest(), CONTEXT)
        assert summary.updated == ("a.txt",)
        assert "" not in (await made.list_sources(NAME, CONTEXT)).values()


@pytest.mark.parametrize("seed", range(3))
async def test_both_stores_are_equal_after_any_order_of_work_and_failures(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    folder = tmp_path / "files"
    folder.mkdir()
    async with host(CONFIG, tmp_path / "data") as made:
        for step in range(12):
            path = folder / f"{chance.randrange(4)}.txt"
            match chance.randrange(4):
                case 0 | 1:
                    path.write_text(f"Version {step} of {path.name}. " * chance.randrange(1, 80))
                    await _ingest(made, folder, failing=chance.choice(["", "chroma", "lexical"]))
                case 2:
                    path.unlink(missing_ok=True)
                    await _failing(made, chance.choice(["", "chroma", "lexical"]), "forget", sources=[path.name])
                case 3:
                    await _failing(made, chance.choice(["", "chroma", "lexical"]), "drop")
            vectors, words = [await _held(made, store) for store in ("chroma", "lexical")]
            assert set(words) <= set(vectors)  # whatever failed, the first store has it all
        for path in folder.iterdir():  # the next attempts succeed
            path.write_text(path.read_text() + "!")
        await made.forget(NAME, [f"{number}.txt" for number in range(4)], CONTEXT)
        await _ingest(made, folder)
        assert await _held(made, "chroma") == await _held(made, "lexical")
        assert set(await _held(made, "lexical")) == {path.name for path in folder.iterdir()}


async def _ingest(made: OrbitHost, folder: Path, failing: str = "") -> None:
    with Broken(made, failing, "index"):
        await ingest_paths(made, NAME, [folder], Ingest(), CONTEXT)


async def _failing(made: OrbitHost, store: str, hook: str, **arguments: Any) -> None:
    with Broken(made, store, hook):
        try:
            await getattr(made, hook)(NAME, *arguments.values(), CONTEXT)
        except ProviderError:
            assert store


async def _held(made: OrbitHost, store: str) -> Mapping[str, str]:
    held: Mapping[str, str] = await made.registry.caller("list_sources", store)(collection=NAME, context=CONTEXT)
    return held


class Broken:
    """A store whose hook fails: as if its disk were full."""

    def __init__(self, made: OrbitHost, store: str, hook: str) -> None:
        self._callers, self._key = made._callers, (hook, store)

    def __enter__(self) -> None:
        async def fail(**_: Any) -> Any:
            raise ProviderError("the disk is full.")

        if self._key[1]:
            self._callers[self._key] = fail

    def __exit__(self, *error: object) -> None:
        self._callers.pop(self._key, None)
