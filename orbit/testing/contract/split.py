"""The contract of ``split``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pytest

from orbit import Section
from orbit.testing.contract import calls
from orbit.testing.contract.fixtures import Make
from orbit.testing.contract.promise import Promise, kind, mistyped, told
from orbit.testing.contract.provider import BaseProviderContract
from orbit.testing.contract.samples import HUGE, UNICODE
from orbit.testing.contract.subject import Subject

_WORDS: Final = 3_000
_LONGEST_WORD: Final = 100


class BaseSplitContract(BaseProviderContract):
    """The contract of providers that split sections into passages."""

    @pytest.fixture
    def sections(self) -> list[Section]:
        """Return the sections of a file: prose, Markdown, a table and code, each longer than a passage."""
        words = " ".join(f"word{number}" for number in range(_WORDS))
        rows = "\n".join(f"row{number} | value{number}" for number in range(_WORDS))
        code = "\n".join(f"line{number} = {number}" for number in range(_WORDS))
        return [
            Section(words, ("File", "Prose"), metadata={"page": 3}),
            Section(words.replace("word", "mark"), ("File", "Markdown"), markdown=True),
            Section(rows, ("File", "Table"), header="name | value", kind="table", metadata={"row": 2}),
            Section(code, ("File", "Code"), kind="code", metadata={"line": 1}),
            Section("短い文。" * _WORDS, ("File", "Without spaces")),
            Section("short", ("File",), whole=True),
        ]

    def test_split_is_offered(self, promise: Promise, subject: Subject) -> None:
        """The provider implements `split` and, with these settings, offers it."""
        calls.offered(promise, subject, "split")

    def test_split_needs_no_start(self, promise: Promise, make: Make, sections: Sequence[Section]) -> None:
        """`split` works on a provider that is not started."""
        _split(promise, make(), sections)

    def test_split_loses_nothing(self, promise: Promise, subject: Subject, sections: Sequence[Section]) -> None:
        """Every word of the sections is in a passage, in order."""
        found = _split(promise, subject, sections)
        there = {word for section in found for word in f"{section.header} {section.text}".split()}
        lost = [word for word in _words(sections, set()) if word not in there]
        if lost:
            promise.broken(f"{len(lost)} words are lost, the first is {lost[0]!r}", "return all text")
        headers = {word for section in sections for word in section.header.split()}
        characters = Counter("".join(section.text for section in found))
        for section in sections:
            if scarce := [
                one for one, count in Counter(section.text).items() if not one.isspace() and characters[one] < count
            ]:
                promise.broken(f"the character {scarce[0]!r} is there less often", "return all text")
        given, came = _words(sections, headers), _words(found, headers)
        known = set(given)
        if [word for word in came if word in known] != given:
            promise.broken("they come in another order", "return passages in the order of the sections")

    def test_split_keeps_headings(self, promise: Promise, subject: Subject, sections: Sequence[Section]) -> None:
        """Each passage has the headings of a section that it was made from."""
        for section, made_from in _origins(sections, _split(promise, subject, sections)):
            if section.path not in {one.path for one in made_from}:
                promise.broken(f"a passage has {section.path}", "copy the section: msgspec.structs.replace(...)")

    def test_split_keeps_places(self, promise: Promise, subject: Subject, sections: Sequence[Section]) -> None:
        """Each passage says where it is in the file, as the section that it was made from does."""
        for section, made_from in _origins(sections, _split(promise, subject, sections)):
            if missing := made_from[0].metadata.keys() - section.metadata.keys():
                promise.broken(f"a passage has no {min(missing)}", "keep the section's metadata, or refine them")

    def test_split_repeats_headers(self, promise: Promise, subject: Subject, sections: Sequence[Section]) -> None:
        """Each passage of a table has the table's header."""
        for section, made_from in _origins(sections, _split(promise, subject, sections)):
            header = made_from[0].header
            if header and header not in f"{section.header}\n{section.text}":
                promise.broken(f"a passage has no {header!r}", "keep the section's header, or begin the text with it")

    def test_split_makes_it_smaller(self, promise: Promise, subject: Subject, sections: Sequence[Section]) -> None:
        """Long sections become several passages."""
        found = _split(promise, subject, sections)
        whole = {section.text for section in sections if len(section.text) > _WORDS}
        if any(section.text in whole for section in found):
            promise.broken("a passage is as long as its section", "cut sections that are longer than a passage")

    def test_split_takes_anything(self, promise: Promise, subject: Subject) -> None:
        """`split` takes no sections, and huge and odd ones."""
        for given in ([], [Section(HUGE, ("a",))], [Section(UNICODE, ()), Section("\0", ("",))]):
            _split(promise, subject, given)

    def test_split_leaves_sections_alone(self, promise: Promise, subject: Subject, sections: Sequence[Section]) -> None:
        """`split` does not change the list that it is given, and returns the same for the same sections."""
        given = list(sections)
        first = _split(promise, subject, given)
        calls.unchanged(promise, list(sections), given)
        if _split(promise, subject, given) != first:
            promise.broken("it returned something else the second time", "depend on nothing but the sections")


def _origins(sections: Sequence[Section], found: Sequence[Section]) -> Iterator[tuple[Section, list[Section]]]:
    """Yield each passage with the sections that its words are from, the first of them first."""
    homes: dict[str, Section] = {}
    for section in sections:
        for word in section.text.split():
            homes.setdefault(word, section)
    for section in found:
        if made_from := [homes[word] for word in section.text.split() if word in homes]:
            yield section, made_from


def _words(sections: Sequence[Section], without: set[str]) -> list[str]:
    """Return the words of all texts, each where it comes first. Text without spaces has none."""
    words = (word for section in sections for word in section.text.split())
    return list(dict.fromkeys(word for word in words if word not in without and len(word) < _LONGEST_WORD))


def _split(promise: Promise, subject: Subject, sections: Sequence[Section]) -> list[Section]:
    try:
        found: Any = subject.call("split", sections=sections)
    except Exception as error:  # noqa: BLE001  # plugin code can raise anything
        promise.broken(f"the call raised {told(error)}", "mend what raises there")
    if not isinstance(found, list | tuple) or not all(isinstance(item, Section) for item in found):
        promise.broken(f"it returned {kind(found)}", "return a list of orbit.Section")
    for section in found:
        if mistake := mistyped(section):
            promise.broken(f"in a Section, {mistake}", "give each field the type that orbit.Section declares")
    return list(found)
