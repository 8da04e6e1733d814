"""Plugins that read and split: in a process of their own, before ORBIT's own readers, for attachments too."""

import asyncio
import contextlib
import textwrap
from email.message import EmailMessage

import pytest

from orbit import CallContext
from orbit.config.model import Ingest
from orbit.documents import ingest_paths
from orbit.documents.ingestion import Options
from orbit.documents.reading.pool import Reading
from orbit.documents.sections import UnreadableError
from orbit.host.documents.file_plugins import FilePlugins
from orbit.host.plugins.discover import InstalledPlugin, installed_plugins
from orbit.testing.hosting import make_host

PLUGIN = """
import os, re, time
import msgspec
import orbit


class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    greeting: str = "hello"
    reads: object = (".scroll", ".txt")


class Scroll(orbit.Provider):
    Settings = Settings

    def reads(self):
        if self.settings.reads == "broken":
            raise LookupError("no list")
        return None if self.settings.reads == "nothing" else self.settings.reads

    @orbit.hookimpl
    def read(self, file, context):
        text = file.content.decode()
        if text == "loop":
            while True:
                pass
        if text == "regex":
            re.match(r"(a+)+$", "a" * 60 + "b")
        if text == "sleep":
            time.sleep(1000)
        if text == "crash":
            os.abort()
        if text == "memory":
            return orbit.Content((orbit.Section("x" * 10**12),))
        if text == "broken":
            raise LookupError("the page is torn")
        if text == "refuse":
            raise orbit.UnreadableError("is burnt")
        if text == "wrong":
            return text
        if text == "ask":
            self.host.embed([], "query", context)
        if text == "print":
            print("noise" * 10_000)
        section = orbit.Section(f"{self.settings.greeting} {text}", metadata={"page": 7})
        return orbit.Content((section,), "The Scroll", ("One line is faded.",))


class Cutter(orbit.Provider):
    @orbit.hookimpl
    def split(self, sections):
        return [msgspec.structs.replace(one, text=word) for one in sections for word in one.text.split()]


class Licensed(orbit.Provider):
    def __init__(self, name, settings, host):
        super().__init__(name, settings, host)
        if os.environ.get("LICENCE") == "expired":
            raise LookupError("the licence has expired")
        if os.environ.get("LICENCE") == "stolen":
            os.abort()

    def reads(self):
        return [".scroll"]

    @orbit.hookimpl
    def read(self, file):
        return orbit.Content((orbit.Section(file.content.decode()),))


class Loud(orbit.Provider):
    @orbit.hookimpl(wrapper=True)
    def read(self, file):
        found = yield
        return msgspec.structs.replace(found, title=found.title.upper())
"""


@pytest.fixture
def host(tmp_path, monkeypatch):
    """Makes a host with plugins of a module that reading processes can import."""
    (tmp_path / "scroll_plugin.py").write_text(textwrap.dedent(PLUGIN))
    monkeypatch.syspath_prepend(str(tmp_path))
    installed = dict(installed_plugins()) | {
        name: InstalledPlugin(name, f"scroll_plugin:{name.capitalize()}", "scroll", "1")
        for name in ("scroll", "cutter", "licensed", "loud")
    }

    def make(**sections):
        ingest = sections.pop("ingest", {})
        return make_host({"echo": {}, **sections, "ingest": ingest}, tmp_path / "data", installed=installed)

    return make


def reading(made, **settings):
    assert made.problems == ()
    return Reading(Ingest(readers=1, **settings), made.file_plugins)


async def test_a_plugin_reads_its_files_with_its_settings(host):
    async with reading(host(scroll={"greeting": "ave"})) as process:
        found = await process.read("a.SCROLL", b"mundi", "d")
    (passage,) = found.documents
    assert (passage.text, passage.metadata) == ("The Scroll\n\nave mundi", {"page": 7})
    assert found.warnings == ("One line is faded.",)


async def test_a_plugin_goes_before_the_own_reader(host):
    async with reading(host(scroll={})) as process:
        assert "hello there" in (await process.read("a.txt", b"there", "d")).documents[0].text
        assert "# there" not in (await process.read("a.md", b"# there\n\nyou", "d")).documents[0].text


async def reads(process, name, content):
    """Whether a file can be read, by the third time on a busy machine."""
    for _ in range(3):
        with contextlib.suppress(UnreadableError):
            return (await process.read(name, content, "d")).documents
    return ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("loop", "could not be read within 1 s (ingest.read_timeout)"),
        ("regex", "could not be read within 1 s"),
        ("sleep", "could not be read within 1 s"),
        ("crash", "ended the process that read it (SIGABRT)"),
        ("memory", "needs more than"),
        ("broken", "cannot be read: LookupError: the page is torn"),
        ("refuse", "is burnt"),
        ("wrong", "the hook returned str instead of Content; this is a mistake in the plugin"),
        ("ask", "the host has no 'embed'"),
    ],
)
async def test_a_hostile_file_is_named_and_the_next_one_read(host, text, reason):
    async with reading(host(scroll={}), read_timeout=1.0) as process:
        with pytest.raises(UnreadableError) as caught:
            await process.read("a.scroll", text.encode(), "d")
        assert reason in str(caught.value)
        assert await reads(process, "b.scroll", b"print")


async def test_stopping_does_not_wait_for_a_file_that_never_ends(host):
    async def read():
        async with reading(host(scroll={}), read_timeout=1000.0) as process:
            await process.read("a.scroll", b"first", "d")
            begun.set()
            await process.read("a.scroll", b"loop", "d")

    begun = asyncio.Event()
    task = asyncio.create_task(read())
    await begun.wait()
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_attachments_reach_the_plugin(host):
    mail = EmailMessage()
    mail["Subject"] = "Old"
    mail.set_content("See the scroll.")
    mail.add_attachment(b"attached", maintype="application", subtype="x", filename="old.scroll")
    async with reading(host(scroll={})) as process:
        found = await process.read("a.eml", bytes(mail), "d")
    assert found.documents[-1].text == "Old > old.scroll\n\nhello attached"


async def test_a_plugin_splits(host):
    async with reading(host(cutter={})) as process:
        found = await process.read("a.md", b"# One\n\ntwo three", "d")
    assert [passage.text for passage in found.documents] == ["One\n\ntwo", "One\n\nthree"]


async def test_wrappers_of_other_plugins_are_around_the_reader(host):
    async with reading(host(scroll={}, loud={})) as process:
        assert (await process.read("a.scroll", b"x", "d")).documents[0].title == "THE SCROLL"


async def test_the_built_in_splitter_has_a_size_for_code(host):
    code = "\n".join(f"x{number} = {number}" for number in range(300)).encode()
    async with reading(host(splitter={"code_size": 3000})) as process:
        found = await process.read("a.py", code, "d")
    assert 1500 < len(found.documents[0].text) <= 3000


def test_two_splitters_need_a_choice(host):
    made = host(cutter={}, splitter={})
    assert "several providers can split: cutter, splitter" in str(made.problems[0])
    chosen = host(cutter={}, splitter={}, ingest={"splitter": "cutter"})
    assert (chosen.problems, chosen.file_plugins.splitter) == ((), "cutter")
    assert "'scroll' cannot split" in str(host(scroll={}, ingest={"splitter": "scroll"}).problems[0])


def test_two_instances_read_different_files_of_one_plugin(host):
    assert host(scroll={}, other={"use": "scroll"}).file_plugins.readers[".scroll"] == "scroll"


@pytest.mark.parametrize(
    ("returned", "sentence"),
    [
        ("nothing", "its reads() returned None instead of a list of extensions such as ['.msg']"),
        (".msg", "its reads() returned '.msg' instead of a list of extensions"),
        ("broken", "its reads() raised LookupError: no list"),
        ([5], "its reads() returned 5 instead of a lower-case extension such as '.msg'"),
        ([["."]], "its reads() returned ['.'] instead of"),
        (["msg"], "its reads() returned 'msg' instead of"),
        ([".MSG"], "its reads() returned '.MSG' instead of"),
        (["."], "its reads() returned '.' instead of"),
        ([".tar.gz"], "its reads() returned '.tar.gz' instead of"),
        ([""], "its reads() returned '' instead of"),
    ],
)
def test_a_mistake_in_reads_is_one_sentence(host, returned, sentence):
    (problem,) = host(scroll={"reads": returned}).problems
    assert sentence in str(problem)
    assert str(problem).endswith("This is a mistake in the plugin.")


class Store:
    def __init__(self):
        self.digests = {}

    async def index(self, collection, documents, context):
        self.digests |= {document.source: document.digest for document in documents}
        return len(documents)

    async def list_sources(self, collection, context):
        return dict(self.digests)

    async def readers_of(self, collection, source, context):
        return set()

    async def forget(self, collection, sources, context):
        return 0


async def test_other_settings_of_a_plugin_read_its_files_again(host, tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.scroll").write_text("x")
    (tmp_path / "docs" / "b.md").write_text("y")
    store = Store()

    async def run(plugins):
        return await ingest_paths(
            store, "c", [tmp_path / "docs"], Ingest(readers=1), CallContext("r"), None, Options(plugins=plugins)
        )

    first = host(scroll={}).file_plugins
    assert (await run(first)).added == ("a.scroll", "b.md")
    assert (await run(first)).unchanged == ("a.scroll", "b.md")
    summary = await run(host(scroll={"greeting": "ave"}).file_plugins)
    assert (summary.updated, summary.unchanged) == (("a.scroll",), ("b.md",))
    summary = await run(FilePlugins())
    assert "'.scroll' is not a known type" in summary.skipped[0].reason


@pytest.mark.parametrize(("licence", "reason"), [("expired", "the licence has expired"), ("stolen", "SIGABRT")])
async def test_a_plugin_that_fails_in_the_reading_process_is_named_and_removes_nothing(
    host, tmp_path, monkeypatch, licence, reason
):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.scroll").write_text("x")
    store = Store()
    plugins = host(licensed={}).file_plugins
    work = (store, "c", [tmp_path / "docs"], Ingest(readers=1), CallContext("r"), None, Options(plugins=plugins))
    assert (await ingest_paths(*work)).added == ("a.scroll",)
    (tmp_path / "docs" / "a.scroll").write_text("changed")
    monkeypatch.setenv("LICENCE", licence)
    summary = await ingest_paths(*work)
    assert reason in summary.skipped[0].reason
    assert [kept.source for kept in summary.kept] == ["a.scroll"]
    assert not summary.removed
