"""``orbit ingest`` as it is called from a shell, into a real embedded Chroma with real embeddings."""

import asyncio
import json
import shutil
import sys
from pathlib import Path

import pytest

import orbit
from orbit.cli import main
from orbit.host.host import OrbitHost

SAMPLES = Path(__file__).parents[1] / "data" / "ingest"
CONTEXT = orbit.CallContext(request_id="test")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.yaml").write_text("general: {data_dir: data}\nchroma: {collection: docs}\nwordllama: {}\n")
    shutil.copytree(SAMPLES, tmp_path / "docs")
    (tmp_path / "docs" / "broken.pdf").write_bytes(b"%PDF-1.4 garbage")
    return tmp_path


@pytest.fixture
def orbit_ingest(folder, monkeypatch, capsys):
    """Calls the command in the folder and gives its exit code, standard output and standard error."""
    monkeypatch.chdir(folder)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["orbit", "ingest", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return ended.value.code or 0, printed.out, printed.err

    return call


def test_ingesting_twice_and_asking(orbit_ingest):
    code, out, err = orbit_ingest("docs", "--collection", "docs")
    assert code == 0, err
    assert "Collection docs: " in out
    assert "added      4" in out
    assert "Skipped: broken.pdf: is not a readable PDF" in err

    code, out, _ = orbit_ingest("docs", "--collection", "docs", "--json")
    summary = json.loads(out)
    assert (code, summary["added"], len(summary["unchanged"]), summary["passages"]) == (0, [], 4, 0)
    assert [skipped["source"] for skipped in summary["skipped"]] == ["broken.pdf"]

    async def ask(question):
        async with OrbitHost.from_file(needed=("embed", "index", "retrieve")) as host:
            retrieve = host.registry.caller("retrieve", "chroma")
            return await retrieve(query=orbit.Query(question), limit=4, context=CONTEXT)

    for question, source in (
        ("When do ferries leave in winter?", "guide/harbour.md"),
        ("Where can I rent a bicycle?", "questions.json"),
        ("What does a berth for 8 m cost?", "page.html"),
        ("When was the lighthouse built?", "notes.txt"),
    ):
        assert asyncio.run(ask(question))[0].source == source
    assert asyncio.run(ask("What is the capital of France?")) == []


def test_nothing_readable_is_a_failure(orbit_ingest):
    code, _, err = orbit_ingest("docs/broken.pdf", "--collection", "docs")
    assert (code, "No file could be added." in err) == (1, True)


def test_wrong_use_is_explained(orbit_ingest):
    code, _, err = orbit_ingest("nowhere", "--collection", "docs")
    assert (code, "Path 'nowhere' does not exist" in err) == (2, True)
    code, _, err = orbit_ingest("docs")
    assert (code, "Missing option '--collection'" in err) == (2, True)
    code, _, err = orbit_ingest("docs", "--collection", "a b")
    assert (code, "cannot name a collection" in err) == (1, True)


def test_without_a_store_it_says_what_to_enable(folder, orbit_ingest):
    (folder / "config.yaml").write_text("general: {data_dir: data}\nwordllama: {}\n")
    code, _, err = orbit_ingest("docs", "--collection", "docs")
    assert (code, "enable a store" in err) == (1, True)


def test_what_became_empty_or_was_deleted_does_not_go_on_answering(folder, orbit_ingest):
    orbit_ingest("docs", "--collection", "docs")
    (folder / "docs" / "notes.txt").write_text("")
    (folder / "docs" / "page.html").unlink()
    code, out, err = orbit_ingest("docs", "--collection", "docs", "--prune")
    assert code == 0, err
    assert "removed    2" in out
    assert "Removed its earlier passages: notes.txt: is empty" in err
    assert "Removed its earlier passages: page.html: is no longer in the folder" in err

    async def sources():
        async with OrbitHost.from_file(needed=("embed", "index")) as host:
            return set(await host.list_sources("docs", CONTEXT))

    assert asyncio.run(sources()) == {"guide/harbour.md", "questions.json"}


def test_what_cannot_be_read_any_more_is_kept_only_on_demand(folder, orbit_ingest):
    orbit_ingest("docs", "--collection", "docs")
    (folder / "docs" / "notes.txt").write_bytes(b"\0\1\2\3")
    _, out, _ = orbit_ingest("docs", "--collection", "docs", "--keep-unreadable", "--json")
    summary = json.loads(out)
    assert [kept["source"] for kept in summary["kept"]] == ["notes.txt"]
    _, out, _ = orbit_ingest("docs", "--collection", "docs", "--json")
    assert [removed["source"] for removed in json.loads(out)["removed"]] == ["notes.txt"]


def test_pruning_needs_a_folder(orbit_ingest):
    code, _, err = orbit_ingest("docs/notes.txt", "--collection", "docs", "--prune")
    assert (code, "--prune needs a folder" in err) == (2, True)


@pytest.mark.parametrize("name", ["Größe", "my docs", "a..b", "192.168.0.1", "guide.next", "guide.previous"])
def test_a_name_that_cannot_name_a_collection_is_refused_at_once(orbit_ingest, name):
    code, _, err = orbit_ingest("docs", "--collection", name)
    assert (code, "cannot name a collection" in err) == (1, True)
