"""The lexical store beside a vector store: codes come first, and both stay equal whatever fails."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from orbit import CallContext, ProviderError
from orbit.cli import orbit
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
        server.call(ingest_paths(made, NAME, [tmp_path / "errors.csv"], Ingest(readers=1), CONTEXT))
        for code in codes[:20]:
            body = {"message": f"What do I do about error E{code}?", "stream": False}
            answer = httpx.post(f"{server.url}/chat", json=body, headers={"X-API-Key": server.key}).json()
            assert f"E{code}" in answer["sources"][0]["text"]


async def test_a_collection_of_the_vector_store_alone_still_answers(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("The lighthouse opens at nine.")
    alone = {name: section for name, section in CONFIG.items() if name != "lexical"}
    async with host(alone, tmp_path / "data") as before:
        await ingest_paths(before, NAME, [tmp_path / "a.txt"], Ingest(readers=1), CONTEXT)
    async with host(CONFIG, tmp_path / "data") as made:
        assert await made.list_sources(NAME, CONTEXT) == {"a.txt": ""}
        summary = await ingest_paths(made, NAME, [tmp_path / "a.txt"], Ingest(readers=1), CONTEXT)
        assert summary.updated == ("a.txt",)
        assert "" not in (await made.list_sources(NAME, CONTEXT)).values()


async def test_a_store_that_was_added_is_filled_from_the_other(tmp_path: Path) -> None:
    pages = tmp_path / "pages"
    pages.mkdir()
    for number in range(3):
        (pages / f"{number}.md").write_text(f"# Page {number}\n\n" + f"The lighthouse {number} opens at nine. " * 60)
    alone = {name: section for name, section in CONFIG.items() if name != "lexical"}
    async with host(alone, tmp_path / "data") as before:
        await ingest_paths(before, NAME, [pages], Ingest(readers=1), CONTEXT)
    told: list[tuple[int, int]] = []
    async with host(CONFIG, tmp_path / "data") as made:
        assert await made.stores.differing(CONTEXT) == [NAME]
        done = await made.complete(NAME, CONTEXT, lambda *progress: told.append(progress))
        assert (set(done.written), done.left) == ({"0.md", "1.md", "2.md"}, ())
        assert told == [(1, 3), (2, 3), (3, 3)]
        assert await made.stores.differing(CONTEXT) == []
        assert await _held(made, "chroma") == await _held(made, "lexical")
        listing = {"collection": NAME, "sources": ["1.md", "0.md"], "context": CONTEXT}
        vectors, words = [
            await made.registry.caller("list_passages", name)(**listing) for name in ("chroma", "lexical")
        ]
        assert vectors == words
        assert [one.source for one in words] == sorted((one.source for one in words), reverse=True)
        summary = await ingest_paths(made, NAME, [pages], Ingest(readers=1), CONTEXT)
        assert len(summary.unchanged) == 3, "nothing is embedded again"
        assert (await made.complete(NAME, CONTEXT)).written == ()


async def test_the_first_store_has_the_newer_version(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "a.txt").write_text("The lighthouse opens at nine.")
    async with host(CONFIG, tmp_path / "data") as made:
        await _ingest(made, folder)
        (folder / "a.txt").write_text("The lighthouse opens at ten.")
        await _ingest(made, folder, failing="lexical")
        assert (await made.complete(NAME, CONTEXT)).written == ("a.txt",)
        listing = {"collection": NAME, "sources": ["a.txt"], "context": CONTEXT}
        (passage,) = await made.registry.caller("list_passages", "lexical")(**listing)
        assert "ten" in passage.text
        await made.registry.caller("forget", "chroma")(**listing)
        assert (await made.complete(NAME, CONTEXT)).written == ("a.txt",), "from the words to the vectors"
        assert await _held(made, "chroma") == await _held(made, "lexical")


def test_the_command_completes_and_the_doctor_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("The lighthouse opens at nine.")
    base = f"general: {{data_dir: {tmp_path}/data}}\necho: {{}}\nwordllama: {{}}\nchroma: {{}}\n"
    (tmp_path / "one.yaml").write_text(base)
    (tmp_path / "two.yaml").write_text(base + "lexical: {}\n")

    def run(*arguments: str, config: str = "two.yaml", code: int = 0) -> str:
        result = CliRunner().invoke(orbit, [*arguments, "--config", str(tmp_path / config)])
        assert result.exit_code == code, result.output
        return result.output

    run("ingest", str(tmp_path / "a.txt"), "--collection", NAME, config="one.yaml")
    assert f"orbit collections complete {NAME}" in run("doctor", code=1)
    assert f"Collection {NAME}: 1 documents written" in run("collections", "complete", NAME)
    assert f"Collection {NAME}: 0 documents written" in run("collections", "complete", NAME)
    assert (
        "collections complete" not in CliRunner().invoke(orbit, ["doctor", "--config", f"{tmp_path}/two.yaml"]).output
    )


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
        await ingest_paths(made, NAME, [folder], Ingest(readers=1), CONTEXT)


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
