"""The process that reads files: it answers each request, and ends with its parent."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from orbit.config.model import Ingest, ProviderSection
from orbit.documents.reading.pool import _PROGRAM
from orbit.documents.reading.process import Reply, Request, Start, receive, send
from orbit.host.documents.file_plugins import FilePlugin, FilePlugins
from orbit.host.plugins.discover import InstalledPlugin

PLUGIN = """
import orbit


class Scroll(orbit.Provider):
    def reads(self):
        return [".scroll"]

    @orbit.hookimpl
    def read(self, file):
        text = file.content.decode()
        if text == "torn":
            raise LookupError("the page is torn")
        if text == "huge":
            raise MemoryError
        if text == "hidden":
            try:
                raise MemoryError
            except MemoryError as error:
                raise ValueError("a parser's own word") from error
        if text == "deep":
            raise RecursionError
        if text == "wrong":
            return text
        return orbit.Content((orbit.Section("a b"),))

    @orbit.hookimpl
    def split(self, sections):
        if "odd" in sections[0].text:
            return "pieces"
        return [orbit.Section(word) for one in sections for word in one.text.split()]
"""
SCROLL = FilePlugin(
    ProviderSection("scroll", "scroll", "scroll", {}),
    InstalledPlugin("scroll", "a_scroll:Scroll", "scroll", "1"),
)


class Reader:
    """A reading process, as its parent has it."""

    def __init__(self, popen: subprocess.Popen[bytes]) -> None:
        self.popen = popen

    def tell(self, message: Any) -> bytes:
        assert self.popen.stdin is not None
        assert self.popen.stdout is not None
        send(self.popen.stdin, msgspec.msgpack.encode(message))
        return receive(self.popen.stdout)

    def read(self, source: str, content: bytes) -> Reply:
        return msgspec.msgpack.decode(self.tell(Request(source, content, "digest")), type=Reply)


@contextmanager
def process() -> Iterator[Reader]:
    """A process whose parent goes away after the test has read its files."""
    program = [sys.executable, "-c", _PROGRAM, json.dumps(sys.path)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as popen:
        yield Reader(popen)
        assert popen.stdin is not None
        popen.stdin.close()
        assert popen.wait(30) == 0


@contextmanager
def started(plugins: FilePlugins | None = None, **settings: Any) -> Iterator[Reader]:
    """A process that is ready."""
    with process() as reader:
        assert msgspec.msgpack.decode(reader.tell(Start(Ingest(**settings), plugins or FilePlugins()))) == ""
        yield reader


def test_it_reads_one_file_after_the_other_and_ends_with_its_parent() -> None:
    with started() as reader:
        (passage,) = reader.read("a/b.txt", b"hello").documents
        assert (passage.source, passage.text, passage.digest) == ("a/b.txt", "b\n\nhello", "digest")
        broken = reader.read("c.docx", b"no archive")
        assert (broken.documents, broken.fault, broken.spent) == ((), "", False)
        assert broken.unreadable
        assert reader.read("d.txt", b"again").documents


def test_it_reads_old_files_in_the_encoding_that_the_operator_names() -> None:
    with started(encoding="cp1251") as reader:
        assert "мир" in reader.read("a.txt", "мир".encode("cp1251")).documents[0].text


@pytest.fixture
def scroll(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FilePlugins:
    (tmp_path / "a_scroll.py").write_text(textwrap.dedent(PLUGIN))
    monkeypatch.syspath_prepend(str(tmp_path))
    return FilePlugins((SCROLL,), {".scroll": "scroll"}, "scroll", str(tmp_path))


def test_plugins_read_and_split(scroll: FilePlugins) -> None:
    with started(scroll, read_memory=900_000_000) as reader:
        assert [one.text.split()[-1] for one in reader.read("a.scroll", b"x").documents] == ["a", "b"]
        assert "the hook returned str instead of a list of Sections" in reader.read("b.txt", b"odd").unreadable
        torn = reader.read("c.scroll", b"torn")
        assert torn.unreadable == "cannot be read: LookupError: the page is torn"
        assert "Traceback" in torn.fault
        for text in (b"huge", b"hidden"):
            spent = reader.read("d.scroll", text)
            assert (spent.unreadable, spent.spent) == (
                "needs more than 900,000,000 bytes of memory (ingest.read_memory)",
                True,
            )
        assert reader.read("e.scroll", b"deep").unreadable == "is nested too deeply"
        wrong = reader.read("f.scroll", b"wrong").unreadable
        assert "the hook returned str instead of Content; this is a mistake in the plugin" in wrong


def test_a_plugin_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    gone = msgspec.structs.replace(SCROLL, plugin=msgspec.structs.replace(SCROLL.plugin, target="a_scroll_gone:Scroll"))
    with process() as reader:
        said = reader.tell(Start(Ingest(), FilePlugins((gone,), {}, "", str(tmp_path))))
        assert "a_scroll_gone" in msgspec.msgpack.decode(said, type=str)


def test_a_frame_that_is_too_long_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "frame"
    with file.open("wb") as stream:
        send(stream, b"12345")
    with file.open("rb") as stream:
        assert receive(stream, 5) == b"12345"
    with file.open("rb") as stream, pytest.raises(ValueError, match="a frame of 5 bytes"):
        receive(stream, 4)
