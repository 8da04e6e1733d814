"""Metadata and readers that operators and connectors give to files."""

from pathlib import Path
from typing import Any

import pytest

from orbit import CallContext, Document, Fetched
from orbit.config.model import Ingest
from orbit.documents import FetchedFiles, Memory, Options, Origins, Summary, ingest_paths, sync
from orbit.documents.file_metadata import Facts, metadata_of, readers_of
from orbit.errors import OrbitError
from orbit.host.host import OrbitHost
from orbit.testing import host

CONTEXT = CallContext("test", collection="docs")


async def run(made: OrbitHost, folder: Path, **options: Any) -> Summary:
    return await ingest_paths(made, "docs", [folder], Ingest(readers=1), CONTEXT, None, Options(**options))


async def held(made: OrbitHost, source: str = "a.md") -> list[Document]:
    return await made.stores.passages("lexical", "docs", source, CONTEXT)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "given"
    made.mkdir()
    (made / "a.md").write_text("# Pay\n\nThe director earns a lot.")
    return made


def test_metadata_has_types() -> None:
    given = ("year=2026", "weight=-0.5", "draft=true", "language=de", "day=2026-01-02", "code=007", "note=a=b", "e=")
    assert metadata_of(given) == {
        "year": 2026,
        "weight": -0.5,
        "draft": True,
        "language": "de",
        "day": "2026-01-02",
        "code": "007",
        "note": "a=b",
        "e": "",
    }
    assert metadata_of(()) is None
    assert metadata_of(("",)) == {}
    assert readers_of(()) is None
    assert readers_of(("",)) == ()
    assert readers_of(("hr", " legal ", "hr")) == ("hr", "legal")


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["year"], "Expected KEY=VALUE"),
        (["=1"], "name of a field"),
        (["$or=1"], "name of a field"),
        (["source=x"], "ORBIT has one of this name"),
        (["orbit_readers=x"], "ORBIT has one of this name"),
        (["big=9007199254740993"], "at most 2^53"),
        (["long=" + "x" * 1001], "1000 characters"),
        ([f"k{n}=1" for n in range(51)], "too many"),
    ],
)
def test_wrong_metadata_is_refused(texts: list[str], words: str) -> None:
    with pytest.raises(OrbitError) as caught:
        metadata_of(texts)
    assert words in str(caught.value)


@pytest.mark.parametrize("name", ["hr,legal", "x" * 101, "a\nb"])
def test_wrong_readers_are_refused(name: str) -> None:
    with pytest.raises(OrbitError, match="cannot name a group"):
        readers_of([name])


def test_a_digest_tells_its_facts() -> None:
    facts = Facts({"year": 2026}, ("hr", "legal"))
    assert Facts.of(facts.added_to("abc")) == facts
    assert Facts().added_to("abc") == "abc"
    assert Facts.of("abc") == Facts.of("") == Facts.of("another program's digest") == Facts()


async def test_files_get_metadata_and_readers_and_keep_them(tmp_path: Path, folder: Path) -> None:
    async with host({"echo": {}, "lexical": {}}, tmp_path / "data") as made:
        assert (await run(made, folder, metadata={"year": 2026}, readers=("hr",))).added == ("a.md",)
        for changed in (False, True):  # an ingestion that says nothing of them keeps them
            if changed:
                (folder / "a.md").write_text("# Pay\n\nThe director earns more.")
            outcome = await run(made, folder)
            assert (outcome.updated, outcome.unchanged) == ((("a.md",), ()) if changed else ((), ("a.md",)))
            (document,) = await held(made)
            assert (document.readers, document.metadata["year"]) == (("hr",), 2026)
        assert (await run(made, folder, metadata={"year": 2026}, readers=("hr",))).unchanged == ("a.md",)
        assert (await run(made, folder, readers=("hr", "legal"))).updated == ("a.md",)
        (document,) = await held(made)
        assert (document.readers, document.metadata["year"]) == (("hr", "legal"), 2026)
        assert (await run(made, folder, metadata={}, readers=())).updated == ("a.md",)
        (document,) = await held(made)
        assert (document.readers, "year" in document.metadata) == ((), False)


async def test_the_place_of_a_passage_stays(tmp_path: Path, folder: Path) -> None:
    async with host({"echo": {}, "lexical": {}}, tmp_path / "data") as made:
        await run(made, folder)
        (before,) = await held(made)
        await run(made, folder, metadata={"line": 99, "year": 2026})
        (after,) = await held(made)
        assert after.metadata == {"year": 2026, **({"line": 99} | before.metadata)}


async def test_a_file_that_stores_hold_differently_keeps_its_readers(tmp_path: Path, folder: Path) -> None:
    config: dict[str, Any] = {"echo": {}, "lexical": {}, "second": {"use": "lexical", "path": "second"}}
    async with host(config, tmp_path / "data") as made:
        await run(made, folder, readers=("hr",))
        await made.registry.caller("forget", "second")(collection="docs", sources=["a.md"], context=CONTEXT)
        assert (await made.list_sources("docs", CONTEXT)) == {"a.md": ""}
        assert (await run(made, folder)).updated == ("a.md",)
        assert [one.readers for one in await held(made)] == [("hr",)]


async def test_nobody_guesses_who_may_read_a_file(tmp_path: Path, folder: Path) -> None:
    config: dict[str, Any] = {"echo": {}, "lexical": {}, "second": {"use": "lexical", "path": "second"}}
    async with host(config, tmp_path / "data") as made:
        await run(made, folder, readers=("hr",))
        documents = [Document("x", "The director earns a lot.", "a.md", digest="other")]
        await made.registry.caller("index", "second")(collection="docs", documents=documents, context=CONTEXT)
        outcome = await run(made, folder)
        assert [(one.source, "name its readers" in one.reason) for one in outcome.skipped] == [("a.md", True)]
        assert [one.readers for one in await held(made)] == [("hr",)]
        assert (await run(made, folder, readers=("legal",))).updated == ("a.md",)


@pytest.mark.parametrize("fetches", [True, False])
async def test_connectors_say_who_may_read(tmp_path: Path, *, fetches: bool) -> None:
    async with host({"echo": {}, "lexical": {}}, tmp_path / "data") as made:
        memory = Memory(FetchedFiles(tmp_path / "memory.db"), Origins(tmp_path / "memory.db"))

        async def synced(*files: Fetched) -> Any:
            async def fetch(_: Any) -> Any:
                for file in files:
                    yield file

            return (await sync(made, "wiki", "docs", fetch, Ingest(readers=1), CONTEXT, memory, Options())).summary

        text = b"The director earns a lot."
        outcome = await synced(Fetched("a.md", text, "1", metadata={"year": 2026}, readers=("hr",)))
        assert outcome.added == ("wiki/a.md",)
        (document,) = await held(made, "wiki/a.md")
        assert (document.readers, document.metadata["year"]) == (("hr",), 2026)
        same = Fetched("a.md", None, "1", metadata={"year": 2026}, readers=("hr",))
        assert (await synced(same)).unchanged == ("wiki/a.md",)
        content = text if fetches else None
        outcome = await synced(Fetched("a.md", content, "2", metadata={"year": 2026}, readers=("board",)))
        if fetches:
            assert outcome.updated == ("wiki/a.md",)
            assert [one.readers for one in await held(made, "wiki/a.md")] == [("board",)]
        else:  # nobody reads by the earlier rule
            assert [one.source for one in outcome.removed] == ["wiki/a.md"]
            assert await held(made, "wiki/a.md") == []


async def test_a_connector_with_wrong_facts_gives_nothing(tmp_path: Path) -> None:
    async with host({"echo": {}, "lexical": {}}, tmp_path / "data") as made:
        memory = Memory(FetchedFiles(tmp_path / "memory.db"), Origins(tmp_path / "memory.db"))

        async def fetch(_: Any) -> Any:
            yield Fetched("a.md", b"Secret.", readers=("a,b",))

        outcome = await sync(made, "wiki", "docs", fetch, Ingest(readers=1), CONTEXT, memory, Options())
        assert "cannot name a group" in outcome.summary.skipped[0].reason
        assert await made.list_sources("docs", CONTEXT) == {}
