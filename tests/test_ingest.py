"""Which files are taken, what is written, and what is said about each."""

import os
import shutil
from pathlib import Path

import pytest

import orbit
from orbit.config.model import Ingest
from orbit.ingest import Failed, Progress, Skipped, Summary, find_files, ingest_paths

SAMPLES = Path(__file__).parent / "data" / "ingest"
CONTEXT = orbit.CallContext(request_id="test")


class MemoryStore:
    """A store that keeps documents by collection and source, and refuses what it is told to."""

    def __init__(self):
        self.collections = {}
        self.calls = []
        self.refused = set()

    async def index(self, collection, documents, context):
        sources = {document.source for document in documents}
        if self.refused & sources:
            raise orbit.ProviderError(f"does not take {min(self.refused & sources)}")
        self.calls.append(len(documents))
        held = self.collections.setdefault(collection, {})
        for source in sources:
            held[source] = [document for document in documents if document.source == source]
        return len(documents)

    async def list_sources(self, collection, context):
        return {source: held[0].digest for source, held in self.collections.get(collection, {}).items()}


@pytest.fixture
def store():
    return MemoryStore()


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(SAMPLES, tmp_path / "docs")
    return tmp_path / "docs"


async def run(store, *paths, progress=None, **settings) -> Summary:
    return await ingest_paths(store, "docs", paths, Ingest(**settings), CONTEXT, progress)


ALL = ("guide/harbour.md", "notes.txt", "page.html", "questions.json")


async def test_a_folder_is_added_once(store, folder):
    first = await run(store, folder)
    assert (first.added, first.updated, first.unchanged, first.skipped) == (ALL, (), (), ())
    assert first.passages == sum(len(held) for held in store.collections["docs"].values()) == sum(store.calls)
    again = await run(store, folder)
    assert (again.added, again.unchanged, again.passages) == ((), ALL, 0)
    assert len(store.calls) == 1


async def test_only_what_changed_is_written_again(store, folder):
    await run(store, folder)
    (folder / "notes.txt").write_text("The lighthouse is closed.")
    summary = await run(store, folder)
    assert (summary.updated, summary.passages) == (("notes.txt",), 1)
    assert store.collections["docs"]["notes.txt"][0].text == "notes\n\nThe lighthouse is closed."


async def test_other_sizes_write_everything_again(store, folder):
    await run(store, folder)
    assert (await run(store, folder, chunk_size=300)).updated == ALL


async def test_sources_do_not_depend_on_where_the_folder_is(store, folder, tmp_path, monkeypatch):
    await run(store, folder)
    moved = tmp_path / "elsewhere" / "deep"
    shutil.copytree(folder, moved)
    assert (await run(store, moved)).unchanged == ALL
    monkeypatch.chdir(moved)
    assert (await run(store, Path())).unchanged == ALL


async def test_a_file_is_named_by_its_own_name(store, folder):
    assert (await run(store, folder / "guide" / "harbour.md")).added == ("harbour.md",)


async def test_two_files_of_one_name_in_one_run_do_not_replace_each_other(store, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "README.md").write_text(f"# {name}\n\ntext of {name}")
    summary = await run(store, tmp_path / "a", tmp_path / "b")
    assert summary.added == ("README.md",)
    assert summary.skipped[0].source == "README.md"
    assert "ingest the folder above both" in summary.skipped[0].reason
    assert (await run(store, tmp_path)).added == ("a/README.md", "b/README.md")


async def test_the_same_path_given_twice_is_taken_once(store, folder):
    assert (await run(store, folder, folder, folder / "notes.txt")).skipped == ()


async def test_one_corrupt_file_among_many_is_named_and_the_others_are_indexed(store, tmp_path):
    for number in range(99):
        (tmp_path / f"{number:02}.txt").write_text(f"text {number}")
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.4 garbage")
    summary = await run(store, tmp_path)
    assert len(summary.added) == 99
    assert [skipped.source for skipped in summary.skipped] == ["broken.pdf"]
    assert "is not a readable PDF" in summary.skipped[0].reason


async def test_files_that_cannot_be_read_are_named(store, tmp_path):
    (tmp_path / "big.txt").write_text("x" * 101)
    (tmp_path / "empty.md").touch()
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nowhere")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    summary = await run(store, tmp_path, max_file_bytes=100)
    reasons = {skipped.source: skipped.reason for skipped in summary.skipped}
    assert reasons["big.txt"] == "is larger than 100 bytes (ingest.max_file_bytes)"
    assert reasons["empty.md"] == "is empty"
    assert reasons["gone.txt"] == "cannot be read: No such file or directory"
    assert "'.png' is not a known type" in reasons["picture.png"]
    assert summary.usable == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
async def test_a_file_without_permission_is_named(store, tmp_path):
    (tmp_path / "secret.txt").write_text("x")
    (tmp_path / "secret.txt").chmod(0)
    assert (await run(store, tmp_path)).skipped == (Skipped("secret.txt", "cannot be read: Permission denied"),)


def test_what_is_passed_over(folder, tmp_path):
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD.txt").write_text("x")
    (folder / ".notes.md").write_text("x")
    (folder / "loop").symlink_to(folder)
    (folder / "guide" / "up").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe.txt")
    (folder / "linked.md").symlink_to(folder / "guide" / "harbour.md")
    assert [file.source for file in find_files([folder])] == sorted([*ALL, "linked.md"])


def test_what_is_given_itself_is_taken(folder):
    assert [file.source for file in find_files([folder / ".hidden"])] == ["secret.md"]
    assert [file.source for file in find_files([folder / ".hidden" / "secret.md"])] == ["secret.md"]


async def test_a_pipe_that_is_given_does_not_hang(store, tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    assert (await run(store, tmp_path / "pipe.txt")).skipped == (Skipped("pipe.txt", "is not a file"),)


def test_names_that_are_not_unicode(tmp_path):
    name = os.fsdecode(b"caf\xe9.txt")
    (tmp_path / name).write_text("x")
    assert [file.source for file in find_files([tmp_path])] == ["caf\ufffd.txt"]


def test_a_path_that_does_not_exist_is_an_error(tmp_path):
    with pytest.raises(orbit.OrbitError, match=r"There is no file or folder '.*nowhere'"):
        find_files([tmp_path / "nowhere"])


async def test_batches_do_not_divide_a_source(store, tmp_path):
    for number, lines in enumerate((3, 3, 3, 12, 1)):
        text = "\n\n".join(f"## Heading {line}\n\nText {line}" for line in range(lines))
        (tmp_path / f"{number}.md").write_text(text)
    await run(store, tmp_path, batch_size=6)
    assert store.calls == [6, 3, 12, 1]


async def test_a_source_that_the_store_refuses_has_failed_and_the_others_are_written(store, folder):
    store.refused = {"page.html"}
    summary = await run(store, folder)
    assert summary.failed == (Failed("page.html", "does not take page.html"),)
    assert summary.added == ("guide/harbour.md", "notes.txt", "questions.json")
    assert summary.stopped == ""
    store.refused = set()
    assert (await run(store, folder)).added == ("page.html",)


async def test_a_store_that_refuses_everything_is_not_asked_for_ever(store, tmp_path):
    for number in range(20):
        (tmp_path / f"{number:02}.txt").write_text("text")
        store.refused.add(f"{number:02}.txt")
    summary = await run(store, tmp_path, batch_size=2)
    assert len(summary.failed) == 3
    assert summary.stopped.startswith("3 files in a row were refused; the last time: does not take")


async def test_a_collection_that_cannot_be_used_is_an_error(folder):
    class Refusing(MemoryStore):
        async def list_sources(self, collection, context):
            raise orbit.ProviderError("other vectors")

    with pytest.raises(orbit.ProviderError, match="other vectors"):
        await run(Refusing(), folder)


async def test_a_source_that_was_not_written_completely_is_written_again(store, folder):
    await run(store, folder)

    async def without_digest(collection, context):
        return dict.fromkeys(ALL, "")

    store.list_sources = without_digest
    assert (await run(store, folder)).updated == ALL


async def test_progress_counts_every_file(store, folder):
    (folder / "empty.md").touch()
    seen: list[Progress] = []
    summary = await run(store, folder, progress=seen.append, batch_size=1)
    assert [progress.done for progress in seen] == [1, 2, 3, 4, 5]
    assert {progress.total for progress in seen} == {5}
    assert seen[-1].passages == summary.passages
