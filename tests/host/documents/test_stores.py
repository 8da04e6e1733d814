"""Several stores: all are written, a source is unchanged only if all agree, and what fails is completed later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from orbit import CallContext, Collection, Document, Need, Provider, ProviderError, hookimpl
from orbit.cli import orbit
from orbit.config.model import Ingest
from orbit.documents import ingest_paths
from orbit.host.host import OrbitHost
from orbit.testing import host, make_host, serve
from orbit.testing.fakes import Cabinet

CONTEXT = CallContext("test")
NAME = "docs"


class Flaky(Cabinet):
    """A store that fails on demand."""

    fails: str = ""

    def _work(self, hook: str) -> None:
        if self.fails == hook:
            raise ProviderError("the disk is full.", kind="unavailable", retryable=True)

    @hookimpl
    async def index(self, collection: str, documents: Sequence[Document]) -> int:
        self._work("index")
        return await super().index(collection, documents)

    @hookimpl
    async def drop(self, collection: str) -> bool:
        self._work("drop")
        return await super().drop(collection)

    @hookimpl
    async def forget(self, collection: str, sources: Sequence[str]) -> int:
        self._work("forget")
        return await super().forget(collection, sources)


class Vectors(Flaky):
    """A store that needs an embedder."""

    def needs(self) -> list[Need]:
        return [Need("embed")]

    @hookimpl
    async def list_collections(self) -> list[Collection]:
        return [Collection(one.name, one.documents, "bag/words", 64) for one in await super().list_collections()]


class Keeps(Provider):
    """A store of an earlier day: it cannot forget single sources."""

    @hookimpl
    async def index(self, collection: str, documents: Sequence[Document]) -> int:
        return len(documents)


class Broken(Cabinet):
    """A store that cannot start."""

    async def __aenter__(self) -> Any:
        raise ProviderError("its file is damaged.")


PLUGINS: dict[str, type[Provider]] = {"flaky": Flaky, "vectors": Vectors, "keeps": Keeps}
CONFIG: dict[str, Any] = {"echo": {}, "bag": {}, "words": {"use": "flaky"}, "vectors": {}}


@asynccontextmanager
async def stores(folder: Path, **config: Any) -> AsyncIterator[tuple[OrbitHost, Any, Any]]:
    async with host({**CONFIG, **config}, folder, PLUGINS) as running:
        yield running, running.registry["vectors"], running.registry["words"]


def document(source: str, text: str = "a text", digest: str = "1") -> Document:
    return Document(f"{source}-{digest}", text, source, digest=digest)


def test_several_stores_need_no_choice(tmp_path: Path) -> None:
    made = make_host(CONFIG, tmp_path, PLUGINS)
    assert made.problems == ()
    assert made.stores.names == ("vectors", "words")  # the one that embeds first: embedding can fail
    assert made.roles.index == "vectors"
    chosen = make_host({**CONFIG, "general": {"store_provider": "words"}}, tmp_path, PLUGINS)
    assert (chosen.problems, chosen.stores.names, chosen.roles.index) == ((), ("words",), "words")


async def test_every_store_is_written_and_deleted_from(tmp_path: Path) -> None:
    async with stores(tmp_path) as (running, vectors, words):
        documents = [document("a.md"), document("b.md")]
        assert await running.index(NAME, documents, CONTEXT) == 2
        assert vectors.drawers == words.drawers == {NAME: {"a.md": [documents[0]], "b.md": [documents[1]]}}
        assert await running.list_sources(NAME, CONTEXT) == {"a.md": "1", "b.md": "1"}
        assert await running.list_collections(CONTEXT) == [Collection(NAME, 2, "bag/words", 64)]
        assert await running.forget(NAME, ["a.md", "c.md"], CONTEXT) == 1
        assert set(vectors.drawers[NAME]) == set(words.drawers[NAME]) == {"b.md"}
        assert await running.drop(NAME, CONTEXT)
        assert not await running.drop(NAME, CONTEXT)
        assert vectors.drawers == words.drawers == {}


async def test_a_source_is_complete_only_if_all_stores_agree(tmp_path: Path) -> None:
    async with stores(tmp_path) as (running, vectors, words):
        await running.index(NAME, [document("same.md"), document("newer.md")], CONTEXT)
        vectors.drawers[NAME]["newer.md"] = [document("newer.md", digest="2")]
        vectors.drawers[NAME]["only.md"] = [document("only.md")]
        words.drawers[NAME]["left.md"] = [document("left.md")]
        expected = {"same.md": "1", "newer.md": "", "only.md": "", "left.md": ""}
        assert await running.list_sources(NAME, CONTEXT) == expected


async def test_what_a_store_misses_is_told_and_completed_by_the_next_ingestion(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("The lighthouse.")
    (tmp_path / "docs" / "b.txt").write_text("The harbour.")
    async with stores(tmp_path) as (running, vectors, words):

        async def ingest() -> Any:
            return await ingest_paths(running, NAME, [tmp_path / "docs"], Ingest(readers=1), CONTEXT)

        words.fails = "index"
        summary = await ingest()
        assert [failed.source for failed in summary.failed] == ["a.txt", "b.txt"]
        assert summary.failed[0].reason == (
            "words could not index: the disk is full. vectors already holds the new passages; ingest the files again, "
            "which completes the others."
        )
        words.fails = ""
        assert (await ingest()).updated == ("a.txt", "b.txt")
        assert vectors.drawers == words.drawers
        assert (await ingest()).unchanged == ("a.txt", "b.txt")


async def test_the_store_that_embeds_is_written_first_and_deleted_from_last(tmp_path: Path) -> None:
    async with stores(tmp_path) as (running, vectors, words):
        vectors.fails = "index"
        with pytest.raises(ProviderError, match=r"^vectors could not index: the disk is full\.$"):
            await running.index(NAME, [document("a.md")], CONTEXT)
        assert words.drawers == {}
        vectors.fails = ""
        await running.index(NAME, [document("a.md"), document("b.md")], CONTEXT)
        for hook in ("forget", "drop"):
            vectors.fails = hook
            with pytest.raises(ProviderError) as failure:
                await (running.forget(NAME, ["a.md"], CONTEXT) if hook == "forget" else running.drop(NAME, CONTEXT))
            assert f"vectors could not {hook}: the disk is full. words has already deleted" in str(failure.value)
            assert failure.value.retryable
            assert set(vectors.drawers[NAME]) >= set(words.drawers.get(NAME, {}))
        vectors.fails = ""
        assert await running.forget(NAME, ["a.md"], CONTEXT) == 1
        assert await running.drop(NAME, CONTEXT)
        assert vectors.drawers == {}


async def test_nothing_is_deleted_if_one_store_cannot(tmp_path: Path) -> None:
    async with stores(tmp_path, keeps={}) as (running, vectors, words):
        await running.index(NAME, [document("a.md")], CONTEXT)
        with pytest.raises(ProviderError, match="'keeps' cannot forget; providers that can: words, vectors"):
            await running.forget(NAME, ["a.md"], CONTEXT)
        assert vectors.drawers == words.drawers != {}


async def test_a_store_that_could_not_start_fails_changes(tmp_path: Path) -> None:
    config = {"echo": {}, "cabinet": {}, "broken": {"required": False}}
    async with host(config, tmp_path, {"broken": Broken}) as running:
        with pytest.raises(ProviderError, match="broken could not index: it could not start: its file is damaged"):
            await running.index(NAME, [document("a.md")], CONTEXT)
        assert running.registry["cabinet"].drawers == {}  # type: ignore[attr-defined]  # it is a Cabinet


def test_the_operators_page_shows_all_stores(tmp_path: Path) -> None:
    with serve(CONFIG, tmp_path, PLUGINS) as server:
        token = (tmp_path / "admin-token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{server.url}/admin/collections"
        assert httpx.get(url, headers=headers).json() | {"readable": []} == {
            "store": "vectors, words",
            "embedding": "bag/words",
            "can_remove": True,
            "readable": [],
            "max_file_bytes": 50_000_000,
            "max_upload_bytes": 200_000_000,
            "collections": [],
        }
        server.call(server.services.host.index(NAME, [document("a.md")], CONTEXT))
        del server.provider("words").drawers[NAME]
        (shown,) = httpx.get(f"{url}/{NAME}/documents", headers=headers).json()["documents"]
        assert shown == {"source": "a.md", "complete": False}
        assert httpx.delete(f"{url}/{NAME}?confirm={NAME}", headers=headers).status_code == 200
        assert server.provider("vectors").drawers == {}


def test_check_accepts_several_stores(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("echo: {}\nwordllama: {}\nchroma: {}\nsecond: {use: chroma, path: second}\n")
    result = CliRunner().invoke(orbit, ["check", "--config", str(config)])
    assert result.exit_code == 0, result.output


def test_the_stores_of_a_host_with_one_are_that_one(tmp_path: Path) -> None:
    async def look() -> None:
        async with host({"echo": {}, "cabinet": {}}, tmp_path) as running:
            assert running.stores.names == ("cabinet",)
            assert await running.index(NAME, [document("a.md")], CONTEXT) == 1
            assert await running.list_sources(NAME, CONTEXT) == {"a.md": "1"}

    asyncio.run(look())
