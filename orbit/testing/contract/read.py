"""The contract of ``read``."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

import pytest

from orbit import Content, ProviderError, Section, SourceFile, UnreadableError
from orbit.testing.contract import calls
from orbit.testing.contract.fixtures import Make
from orbit.testing.contract.promise import Promise, kind, mistyped, told
from orbit.testing.contract.provider import BaseProviderContract
from orbit.testing.contract.subject import Subject

_PLACES = ("page", "row", "slide", "line")


class BaseReadContract(BaseProviderContract):
    """The contract of providers that read files. Override ``file``."""

    @pytest.fixture
    def file(self) -> SourceFile:
        """Return a file that the provider can read, with text."""
        pytest.fail(
            "Override the fixture file: orbit.SourceFile(name, content) that the provider can read.", pytrace=False
        )

    def test_read_is_offered(self, promise: Promise, subject: Subject, file: SourceFile) -> None:
        """The provider implements `read`, and `reads()` returns the extension of the fixture file."""
        calls.offered(promise, subject, "read")
        endings = list(subject.provider.reads())
        if PurePath(file.name).suffix.lower() not in endings:
            promise.broken(f"it returned {endings}", "return each extension in lower case with its dot")

    def test_read_needs_no_start(self, promise: Promise, make: Make, file: SourceFile) -> None:
        """`read` works on a provider that is not started."""
        _read(promise, make(), file)

    def test_read_returns_text(self, promise: Promise, subject: Subject, file: SourceFile) -> None:
        """`read` returns an orbit.Content of sections with text."""
        content = _read(promise, subject, file)
        for section in content.sections:
            if not isinstance(section, Section):
                promise.broken(f"a section is {kind(section)}", "return orbit.Section objects")
            if mistake := mistyped(section):
                promise.broken(f"in a Section, {mistake}", "give each field the type that orbit.Section declares")
        if mistake := mistyped(content):
            promise.broken(f"in the Content, {mistake}", "give each field the type that orbit.Content declares")
        if not any(section.text.strip() for section in content.sections):
            promise.broken("no section has text", "return the file's text, or raise orbit.UnreadableError")

    def test_read_counts_places_from_1(self, promise: Promise, subject: Subject, file: SourceFile) -> None:
        """Places in a section's metadata (`page`, `row`, `slide`, `line`) are whole numbers from 1."""
        for section in _read(promise, subject, file).sections:
            for name in _PLACES:
                place = section.metadata.get(name, 1)
                if not isinstance(place, int) or place < 1:
                    promise.broken(f"{name} is {place!r}", "count from 1")

    def test_read_is_repeatable(self, promise: Promise, subject: Subject, file: SourceFile) -> None:
        """`read` returns the same for the same file."""
        if _read(promise, subject, file) != _read(promise, subject, file):
            promise.broken("it returned something else the second time", "depend on nothing but the file")

    def test_read_opens_no_file(self, promise: Promise, subject: Subject, file: SourceFile) -> None:
        """`read` returns the same for a file of another name, which need not exist on the disk."""
        path = PurePath(file.name)
        other = SourceFile(f"no such folder/Übersicht (1){path.suffix.upper()}", file.content)
        expected, found = _read(promise, subject, file), _read(promise, subject, other)
        if [section.text for section in found.sections] != [section.text for section in expected.sections]:
            promise.broken("it returned another text", "read file.content, and compare extensions in lower case")

    def test_read_refuses_by_name(self, promise: Promise, subject: Subject, file: SourceFile) -> None:
        """`read` takes any bytes: it returns an orbit.Content or raises orbit.UnreadableError."""
        for content in (b"", b"\0" * 1_000, b"\xff\xfe<{[" * 1_000):
            self._attempt(promise, subject, SourceFile(file.name, content))

    def test_read_takes_cut_files(self, promise: Promise, subject: Subject, file: SourceFile) -> None:
        """`read` takes a file that is cut off anywhere: it returns a Content or raises orbit.UnreadableError."""
        for part in (0.1, 0.5, 0.9):
            self._attempt(promise, subject, SourceFile(file.name, file.content[: int(len(file.content) * part)]))

    def _attempt(self, promise: Promise, subject: Subject, file: SourceFile) -> None:
        try:
            value = subject.call("read", file=file)
        except (UnreadableError, ProviderError):
            return
        except Exception as error:  # noqa: BLE001  # plugin code can raise anything
            promise.broken(f"it raised {told(error)}", 'raise orbit.UnreadableError("is not a readable ...") instead')
        if not isinstance(value, Content):
            promise.broken(f"it returned {kind(value)}", "return orbit.Content")


def _read(promise: Promise, subject: Subject, file: SourceFile) -> Content:
    try:
        content: Any = subject.call("read", file=file)
    except Exception as error:  # noqa: BLE001  # plugin code can raise anything
        promise.broken(f"the call raised {told(error)}", "mend what raises there")
    if not isinstance(content, Content):
        promise.broken(f"it returned {kind(content)}", "return orbit.Content")
    return content
