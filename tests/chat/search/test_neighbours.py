"""Passages that answer are joined with those beside them, by real stores and through a whole turn."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from actor_kit import turn

import orbit
from orbit.chat.prompt.joining import Joined
from orbit.chat.prompt.prompting import fit
from orbit.config.model import Ingest
from orbit.documents import ingest_paths
from orbit.errors import ProviderError
from orbit.evaluation.asking import searching
from orbit.host.host import OrbitHost
from orbit.testing import host
from orbit.testing.fakes import Cabinet

CONTEXT = orbit.CallContext("test", collection="books")
LINES = [f"Chapter {name} tells of {name} and of nothing else at all." for name in ("apples", "pears", "plums", "figs")]


async def running(folder: Path, stores: dict[str, Any], **retrieval: Any) -> AsyncIterator[OrbitHost]:
    (folder / "fruit.md").write_text("\n\n".join(LINES), "utf-8")
    async with host({"echo": {}, **stores, "retrieval": {"threshold": 0, **retrieval}}, folder / "data") as opened:
        await ingest_paths(opened, "books", [folder / "fruit.md"], Ingest(chunk_size=80, readers=1), CONTEXT)
        yield opened


@pytest.mark.parametrize("stores", [{"lexical": {}}, {"wordllama": {}, "chroma": {}}, {"cabinet": {}}])
async def test_neighbours_come_from_any_store(tmp_path: Path, stores: dict[str, Any]) -> None:
    async for opened in running(tmp_path, stores, max_documents=1, expand=1):
        (found,) = await searching(opened).search(turn("plums", collection="books"))
        assert found.text == "fruit\n\n" + "\n\n".join(LINES[1:])
        assert isinstance(found, Joined)
        assert found.alone.text == f"fruit\n\n{LINES[2]}"


async def test_without_the_setting_nothing_is_joined(tmp_path: Path) -> None:
    async for opened in running(tmp_path, {"lexical": {}}, max_documents=1):
        (found,) = await searching(opened).search(turn("plums", collection="books"))
        assert found.text == f"fruit\n\n{LINES[2]}"


async def test_no_passage_is_read_twice(tmp_path: Path) -> None:
    async for opened in running(tmp_path, {"lexical": {}}, max_documents=2, expand=5):
        found = await searching(opened).search(turn("pears figs", collection="books"))
        text = "\n".join(one.text for one in found)
        assert [text.count(line) for line in LINES] == [1, 1, 1, 1]


async def test_a_window_too_small_loses_neighbours_before_turns_and_passages(tmp_path: Path) -> None:
    history = [orbit.Message("user", "Hello"), orbit.Message("assistant", "Hello")]

    async def prompt(documents: list[orbit.Document], window: int) -> tuple[int, int, int]:
        async def count(messages: Any) -> orbit.TokenCount:
            return orbit.TokenCount(sum(len(message.content) for message in messages), window)

        fitted = await fit("", history, "Which?", documents, instruction="", reserve=0, count=count)
        return sum(isinstance(one, Joined) for one in fitted.documents), fitted.dropped_turns, fitted.dropped_documents

    async for opened in running(tmp_path, {"lexical": {}}, max_documents=2, expand=1):
        found = await searching(opened).search(turn("apples figs", collection="books"))
        assert [isinstance(one, Joined) for one in found] == [True, True]
        sizes = [await prompt(found, window) for window in range(3_000, 200, -1)]
        assert list(dict.fromkeys(sizes))[:4] == [(2, 0, 0), (1, 0, 0), (0, 0, 0), (0, 0, 1)]


class Broken(Cabinet):
    """A store that cannot list what it holds."""

    answer: object = None

    @orbit.hookimpl
    async def list_passages(self, collection: str, sources: Sequence[str]) -> Any:
        if isinstance(self.answer, ProviderError):
            raise self.answer
        return self.answer


@pytest.mark.parametrize("answer", [ProviderError("The disk is full."), "nonsense", []])
async def test_a_store_that_fails_costs_the_neighbours_only(tmp_path: Path, answer: object) -> None:
    stored = [orbit.Document(str(number), line, "fruit.md", digest="1") for number, line in enumerate(LINES)]
    config = {"echo": {}, "broken": {}, "retrieval": {"max_documents": 1, "expand": 1}}
    async with host(config, tmp_path, {"broken": Broken}) as opened:
        cast("Broken", opened.registry["broken"]).answer = answer
        await opened.index("books", stored, CONTEXT)
        assert [one.text for one in await searching(opened).search(turn("plums", collection="books"))] == [LINES[2]]
