"""Which files are taken, what is written, and what is said about each."""

import errno
import os
import shutil
import socket
import threading
from pathlib import Path

import msgspec
import pytest

import orbit
from orbit.config.model import Ingest
from orbit.documents import (
    Failed,
    LocalFile,
    Options,
    Origins,
    Progress,
    Shortened,
    Skipped,
    Summary,
    Warned,
    find_files,
    ingest_paths,
)
from orbit.documents.reading.pool import Reading
from orbit.documents.reading.process import Reply
from orbit.documents.sections import UnreadableError

SAMPLES = Path(__file__).parents[1] / "data" / "ingest"
CONTEXT = orbit.CallContext(request_id="test")


class MemoryStore:
    """A store that keeps documents by collection and source, and refuses what it is told to."""

    def __init__(self):
        self.collections = {}
        self.calls = []
        self.refused = set()
        self.too_long = set()
        self.cut = set()

    async def index(self, collection, documents, context):
        sources = {document.source for document in documents}
        if self.refused & sources:
            raise orbit.ProviderError(f"does not take {min(self.refused & sources)}")
        if self.too_long & sources:
            raise orbit.PromptTooLong("the input exceeds the context length.")
        cut = [document.text for document in documents if document.source in self.cut]
        context.notices.extend(orbit.Notice(text, "read only in part") for text in cut)
        self.calls.append(len(documents))
        held = self.collections.setdefault(collection, {})
        for source in sources:
            held[source] = [document for document in documents if document.source == source]
        return len(documents)

    async def list_sources(self, collection, context):
        return {source: held[0].digest for source, held in self.collections.get(collection, {}).items()}

    async def readers_of(self, collection, source, context):
        return {document.readers for document in self.collections.get(collection, {}).get(source, ())}


@pytest.fixture
def store():
    return MemoryStore()


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(SAMPLES, tmp_path / "docs")
    return tmp_path / "docs"


async def run(store, *paths, progress=None, **settings) -> Summary:
    return await ingest_paths(store, "docs", paths, Ingest(**{"readers": 1, **settings}), CONTEXT, progress)


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
    assert "is a '.png' file, which ORBIT does not read" in reasons["picture.png"]
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
    (folder / "linked.md").symlink_to(folder / "guide" / "harbour.md")
    assert [file.source for file in find_files([folder])] == list(ALL)


async def test_links_that_lead_out_of_the_folder_are_named_and_not_followed(store, folder, tmp_path):
    outside = tmp_path / "secret"
    outside.mkdir()
    (outside / "passwd.txt").write_text("root:x:0:0")
    (folder / "a.txt").symlink_to(outside / "passwd.txt")
    (folder / "guide" / "b.txt").symlink_to("../../secret/passwd.txt")
    (folder / "guide" / "up").symlink_to(tmp_path)
    (folder / "chain.txt").symlink_to(folder / "a.txt")
    summary = await run(store, folder)
    assert summary.added == ALL
    assert {skipped.source for skipped in summary.skipped} == {"a.txt", "chain.txt", "guide/b.txt", "guide/up"}
    assert {skipped.reason for skipped in summary.skipped} == {
        "is a link that leads out of the folder, so it was not followed"
    }


async def test_a_link_given_by_name_and_a_linked_folder_are_read(store, folder, tmp_path):
    (tmp_path / "link.txt").symlink_to(folder / "notes.txt")
    (tmp_path / "linked").symlink_to(folder)
    assert (await run(store, tmp_path / "link.txt", tmp_path / "linked")).added == ("link.txt", *ALL)


async def test_a_link_to_what_is_read_anyway_is_no_second_document(store, tmp_path):
    (tmp_path / "..data").mkdir()  # as Kubernetes mounts a ConfigMap
    (tmp_path / "..data" / "handbook.md").write_text("Hours are nine to five.")
    (tmp_path / "handbook.md").symlink_to("..data/handbook.md")
    (tmp_path / "second.md").symlink_to("handbook.md")
    summary = await run(store, tmp_path)
    assert (summary.added, summary.skipped) == (("handbook.md",), ())


async def test_links_in_a_circle_pipes_and_sockets_are_named(store, tmp_path, monkeypatch):
    (tmp_path / "one.txt").symlink_to("two.txt")
    (tmp_path / "two.txt").symlink_to("one.txt")
    (tmp_path / "self.txt").symlink_to("self.txt")
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "to-pipe.txt").symlink_to("pipe.txt")
    with socket.socket(socket.AF_UNIX) as listener:
        monkeypatch.chdir(tmp_path)  # as a socket's path may not be long
        listener.bind("socket.txt")
        summary = await run(store, tmp_path)
    reasons = {skipped.source: skipped.reason for skipped in summary.skipped}
    assert {reasons.pop(name) for name in ("one.txt", "two.txt", "self.txt")} == {
        "cannot be read: Too many levels of symbolic links"
    }
    assert reasons == {"pipe.txt": "is not a file", "socket.txt": "is not a file"}


async def test_a_link_put_in_place_of_a_file_after_the_folder_was_listed_is_not_followed(store, folder, tmp_path):
    (tmp_path / "secret.txt").write_text("root:x:0:0")
    (file,) = [file for file in find_files([folder]) if file.source == "notes.txt"]
    file.path.unlink()
    file.path.symlink_to(tmp_path / "secret.txt")
    with pytest.raises(UnreadableError, match="leads out of the folder"):
        file.load(1000)


def reason_of(file):
    try:
        file.load(100_000_000)
    except UnreadableError as error:
        return error


async def test_a_file_that_is_written_while_it_is_read_is_named(store, tmp_path):
    path = tmp_path / "growing.txt"
    path.write_text("x" * 1000)
    (file,) = find_files([tmp_path])
    going_on = threading.Event()

    def write():
        with path.open("a") as stream:
            while not going_on.is_set():
                stream.write("y")
                stream.flush()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        reasons = [str(reason_of(file)) for _ in range(1000)]
        assert any(reason == "changed while it was read; ingest it again" for reason in reasons)
    finally:
        going_on.set()
        writer.join()


async def test_a_folder_whose_name_has_control_characters(store, tmp_path):
    place = tmp_path / "a\x1b[31m\nb"
    place.mkdir()
    (place / "x.txt").write_text("text")
    assert (await run(store, tmp_path)).added == ("a\x1b[31m\nb/x.txt",)


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
    with pytest.raises(orbit.OrbitError, match=r"The file or folder '.*nowhere' does not exist"):
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
    assert summary.stopped.startswith("3 files in a row failed; the last error: does not take")


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


async def test_passages_too_long_to_embed_fail_their_file_alone(store, tmp_path):
    names = [f"{letter}.txt" for letter in "abcdef"]
    for name in names:
        (tmp_path / name).write_text(f"text of {name}")
    store.too_long = set(names[:4])
    summary = await run(store, tmp_path)
    assert (summary.added, summary.stopped) == (("e.txt", "f.txt"), "")
    assert [failed.source for failed in summary.failed] == names[:4]
    assert "set a smaller ingest.chunk_size" in summary.failed[0].reason


async def test_files_with_passages_that_were_cut_to_be_embedded_are_named(store, folder):
    store.cut = {"notes.txt", "page.html"}
    store.refused = {"questions.json"}
    summary = await run(store, folder)
    assert [cut.source for cut in summary.shortened] == ["notes.txt", "page.html"]
    assert summary.shortened[0] == Shortened("notes.txt", 1, "read only in part")
    assert set(store.cut) < set(summary.added), "they are stored"
    assert (await run(store, folder)).shortened == ()


class Forgetting(MemoryStore):
    """A store that can also forget sources."""

    async def forget(self, collection, sources, context):
        held = self.collections.get(collection, {})
        return sum(held.pop(source, None) is not None for source in sources)


@pytest.fixture
def forgetting():
    return Forgetting()


async def pruned(store, tmp_path, *paths, **options):
    chosen = Options(prune=True, origins=Origins(tmp_path / "data" / "ingested.db"), **options)
    return await ingest_paths(store, "docs", paths, Ingest(readers=1), CONTEXT, None, chosen)


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize(
    ("now", "empty"),
    [(b"", True), (b" \n\t", True), (b"caf\xe9 \0 \xff", False), (b"x" * 1001, False)],
    ids=["no bytes", "blank", "binary", "too large"],
)
async def test_a_file_that_became_empty_or_unreadable_stops_answering(forgetting, tmp_path, now, empty, keep):
    (tmp_path / "policy.txt").write_text("Returns within 30 days.")
    (tmp_path / "other.txt").write_text("Open at nine.")
    await run(forgetting, tmp_path)
    (tmp_path / "policy.txt").write_bytes(now)
    summary = await run(forgetting, tmp_path, max_file_bytes=1000, keep_unreadable=keep)
    (skipped,) = summary.skipped
    kept = keep and not empty
    assert [one.source for one in (summary.kept if kept else summary.removed)] == ["policy.txt"]
    assert (summary.kept or summary.removed)[0].reason == skipped.reason
    assert ("policy.txt" in forgetting.collections["docs"]) is kept
    assert "other.txt" in forgetting.collections["docs"]
    assert (await run(forgetting, tmp_path, max_file_bytes=1000)).kept == ()


async def test_a_skipped_file_without_earlier_passages_removes_nothing(forgetting, tmp_path):
    (tmp_path / "empty.txt").touch()
    summary = await run(forgetting, tmp_path)
    assert (summary.removed, summary.kept) == ((), ())


async def test_a_second_file_of_one_name_removes_nothing_of_the_first(forgetting, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "README.md").write_text(f"text of {name}")
    await run(forgetting, tmp_path / "a", tmp_path / "b")
    assert (await run(forgetting, tmp_path / "a", tmp_path / "b")).removed == ()
    assert "README.md" in forgetting.collections["docs"]


async def test_a_store_that_cannot_forget_is_named_with_what_still_answers(store, tmp_path):
    class Stubborn(Forgetting):
        async def forget(self, collection, sources, context):
            raise orbit.ProviderError("no enabled provider can forget")

    stubborn = Stubborn()
    (tmp_path / "policy.txt").write_text("Returns within 30 days.")
    await run(stubborn, tmp_path)
    (tmp_path / "policy.txt").write_text("")
    summary = await run(stubborn, tmp_path)
    assert summary.failed == (
        Failed("policy.txt", "its earlier passages still answer: no enabled provider can forget"),
    )


async def test_pruning_removes_deleted_and_renamed_files_of_the_folder(forgetting, folder, tmp_path):
    await pruned(forgetting, tmp_path, folder)
    (folder / "notes.txt").unlink()
    (folder / "page.html").rename(folder / "site.html")
    summary = await pruned(forgetting, tmp_path, folder)
    assert [one.source for one in summary.removed] == ["notes.txt", "page.html"]
    assert {one.reason for one in summary.removed} == {"is no longer in the folder"}
    assert (summary.added, summary.kept) == (("site.html",), ())
    assert set(forgetting.collections["docs"]) == {"guide/harbour.md", "questions.json", "site.html"}


@pytest.mark.parametrize("become", ["deleted", "renamed", "a folder", "a link to another file"])
async def test_without_pruning_a_file_that_is_gone_goes_on_answering_and_is_named(forgetting, folder, tmp_path, become):
    origins = Origins(tmp_path / "data" / "ingested.db")
    options = Options(origins=origins)
    await ingest_paths(forgetting, "docs", [folder], Ingest(), CONTEXT, None, options)
    (folder / "notes.txt").rename(folder / "moved.txt" if become == "renamed" else tmp_path / "old.txt")
    if become == "a folder":
        (folder / "notes.txt").mkdir()
    elif become == "a link to another file":
        (folder / "notes.txt").symlink_to("page.html")
    summary = await ingest_paths(forgetting, "docs", [folder], Ingest(), CONTEXT, None, options)
    assert summary.removed == ()
    assert [(one.source, one.reason) for one in summary.kept] == [
        ("notes.txt", "is no longer in the folder; --prune removes it")
    ]


async def test_pruning_leaves_what_others_gave_and_names_it(forgetting, folder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for name in ("theirs.txt", "deleted.txt", "both.txt"):
        (other / name).write_text(name)
    (tmp_path / "single.txt").write_text("given by name")
    (folder / "both.txt").write_text("both")
    await pruned(forgetting, tmp_path, folder)
    await pruned(forgetting, tmp_path, other)
    await run(forgetting, tmp_path / "single.txt")
    (other / "deleted.txt").unlink()
    (folder / "both.txt").unlink()
    summary = await pruned(forgetting, tmp_path, folder)
    assert summary.removed == ()
    assert [one.source for one in summary.kept] == ["both.txt", "deleted.txt", "single.txt", "theirs.txt"]
    assert {one.reason for one in summary.kept} == {"this folder did not give it"}
    assert [one.source for one in (await pruned(forgetting, tmp_path, other)).removed] == ["deleted.txt"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
async def test_pruning_leaves_what_a_folder_without_permission_may_still_hold(forgetting, folder, tmp_path):
    await pruned(forgetting, tmp_path, folder)
    (folder / "guide").chmod(0)
    summary = await pruned(forgetting, tmp_path, folder)
    (folder / "guide").chmod(0o700)
    assert summary.removed == ()
    assert [(one.source, one.reason) for one in summary.kept] == [("guide/harbour.md", "its folder cannot be read")]


async def test_pruning_leaves_what_a_folder_that_cannot_be_listed_may_still_hold(
    forgetting, folder, tmp_path, monkeypatch
):
    await pruned(forgetting, tmp_path, folder)
    listed = os.scandir

    def scandir(path):
        if Path(path).name == "guide":
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    summary = await pruned(forgetting, tmp_path, folder)
    assert [(one.source, one.reason) for one in summary.kept] == [("guide/harbour.md", "its folder cannot be read")]


async def test_pruning_an_empty_folder_removes_nothing(forgetting, folder, tmp_path):
    """It is rather a disk that is not mounted than the wish to remove everything."""
    await pruned(forgetting, tmp_path, folder)
    shutil.rmtree(folder)
    folder.mkdir()
    summary = await pruned(forgetting, tmp_path, folder)
    assert summary.removed == ()
    assert [one.source for one in summary.kept] == list(ALL)


async def test_a_run_that_stopped_removes_nothing(forgetting, tmp_path):
    names = [f"{letter}.txt" for letter in "abcde"]
    for name in names:
        (tmp_path / name).write_text("text")
    await pruned(forgetting, tmp_path, tmp_path)
    for name in names[:3]:
        (tmp_path / name).write_text("other text")
    (tmp_path / "e.txt").unlink()
    forgetting.refused = set(names)
    summary = await ingest_paths(
        forgetting,
        "docs",
        [tmp_path],
        Ingest(batch_size=1, readers=1),
        CONTEXT,
        None,
        Options(prune=True, origins=Origins(tmp_path / "data" / "ingested.db")),
    )
    assert summary.stopped
    assert summary.removed == ()


async def test_warnings_of_a_reader_are_named_beside_the_file(store, folder, monkeypatch):
    async def with_warnings(self, source, content, digest):
        warnings = ("page 2 holds no text",) if source == "notes.txt" else ()
        return Reply((orbit.Document(source, "text", source, digest=digest),), warnings)

    monkeypatch.setattr(Reading, "read", with_warnings)
    assert (await run(store, folder)).warnings == (Warned("notes.txt", ("page 2 holds no text",)),)


async def test_what_a_failing_disk_does_not_give_goes_on_answering(forgetting, folder, monkeypatch):
    await run(forgetting, folder)

    def fail(self):
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr(LocalFile, "open", fail)
    summary = await run(forgetting, folder)
    assert summary.removed == ()
    assert [(one.source, one.reason) for one in summary.kept] == [
        (source, "cannot be read: Stale file handle") for source in ALL
    ]


async def test_the_operator_may_name_the_encoding_of_old_files(store, tmp_path):
    (tmp_path / "prices.csv").write_bytes("Name;Preis\nGr\u00f6\u00dfe \u00d8;5\n".encode("cp850"))
    guessed = await run(store, tmp_path)
    assert guessed.warnings
    named = await run(store, tmp_path, encoding="cp850")
    assert (named.updated, named.warnings) == (("prices.csv",), ())
    (passage,) = store.collections["docs"]["prices.csv"]
    assert "Name: Gr\u00f6\u00dfe \u00d8" in passage.text


def test_an_encoding_that_does_not_exist_is_named():
    with pytest.raises(msgspec.ValidationError, match="no encoding is called 'base64'"):
        msgspec.convert({"encoding": "base64"}, Ingest)
    with pytest.raises(msgspec.ValidationError, match="no encoding is called 'latin-99'"):
        msgspec.convert({"encoding": "latin-99"}, Ingest)
