"""Wrong in `read` or `split`."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any, Self

import msgspec
from wrong_kit import Right, Wrong

import orbit
from orbit import Content, Section, SourceFile, hookimpl

SIZE = 1_000


class RightReader(Right):
    """Text in UTF-8."""

    def reads(self) -> Iterable[str]:
        return [".txt"]

    @hookimpl
    def read(self, file: SourceFile) -> Any:
        try:
            text = file.content.decode()
        except UnicodeDecodeError as error:
            raise orbit.UnreadableError("is not UTF-8 text") from error
        return self.content(text)

    def content(self, text: str) -> Any:
        return Content((Section(text, metadata={"line": 1}),))


class OtherEndings(RightReader):
    def reads(self) -> Iterable[str]:
        return [".md"]


class NeedsStart(RightReader):
    started = False

    async def __aenter__(self) -> Self:
        self.started = True
        return self

    def content(self, text: str) -> Any:
        if not self.started:
            raise RuntimeError("not started")
        return super().content(text)

    @hookimpl
    def split(self, sections: Sequence[Section]) -> Any:
        if not self.started:
            raise RuntimeError("not started")
        return sections


class ReadsNothing(RightReader):
    def content(self, text: str) -> Any:
        return Content((Section(" "),))


class CountsFrom0(RightReader):
    def content(self, text: str) -> Any:
        return Content((Section(text, metadata={"line": 0}),))


class Numbers(RightReader):
    numbers = itertools.count()

    def content(self, text: str) -> Any:
        return Content((Section(f"{text} {next(self.numbers)}"),))


class Chokes(RightReader):
    @hookimpl
    def read(self, file: SourceFile) -> Any:
        return self.content(file.content.decode())


class WantsAnEnd(RightReader):
    def content(self, text: str) -> Any:
        if not text.endswith("."):
            raise ValueError("no end")
        return super().content(text)


class OneHeading(RightReader):
    def content(self, text: str) -> Any:
        path: Any = "Tea"
        return Content((Section(text, path),))


class GivesBytes(RightReader):
    def content(self, text: str) -> Any:
        given: Any = text.encode()
        return Content((Section(given),))


class OneWarning(RightReader):
    def content(self, text: str) -> Any:
        warnings: Any = "The last page is missing."
        return Content((Section(text),), warnings=warnings)


class OpensTheFile(RightReader):
    @hookimpl
    def read(self, file: SourceFile) -> Any:
        if "/" in file.name:
            raise FileNotFoundError(file.name)
        return super().read(file)


class KnowsOneCase(RightReader):
    @hookimpl
    def read(self, file: SourceFile) -> Any:
        return self.content("A text." if file.name.endswith(".txt") else "Something else.")


READ = (
    Wrong("test_read_returns_text", OneHeading, "path is a str"),
    Wrong("test_read_returns_text", GivesBytes, "text is a bytes"),
    Wrong("test_read_returns_text", OneWarning, "warnings is a str"),
    Wrong("test_read_opens_no_file", OpensTheFile, "the call raised FileNotFoundError"),
    Wrong("test_read_opens_no_file", KnowsOneCase, "another text"),
    Wrong("test_read_is_offered", OtherEndings, "it returned ['.md']"),
    Wrong("test_read_needs_no_start", NeedsStart, "the call raised RuntimeError"),
    Wrong("test_read_returns_text", ReadsNothing, "no section has text"),
    Wrong("test_read_counts_places_from_1", CountsFrom0, "line is 0"),
    Wrong("test_read_is_repeatable", Numbers, "something else the second time"),
    Wrong("test_read_refuses_by_name", Chokes, "it raised UnicodeDecodeError"),
    Wrong("test_read_takes_cut_files", WantsAnEnd, "it raised ValueError"),
)


class RightSplitter(Right):
    """Passages of so many words."""

    @hookimpl
    def split(self, sections: Sequence[Section]) -> Any:
        return [msgspec.structs.replace(section, text=text) for section in sections for text in self.texts(section)]

    def texts(self, section: Section) -> list[str]:
        if " " not in section.text:
            return [section.text[start : start + SIZE] for start in range(0, len(section.text), SIZE)]
        words = section.text.split(" ")
        return [" ".join(words[start : start + SIZE]) for start in range(0, len(words), SIZE)]


class Hidden(RightSplitter):
    def offers(self, hook: str) -> bool:
        return False


class KeepsBeginnings(RightSplitter):
    def texts(self, section: Section) -> list[str]:
        return super().texts(section)[:1]


class Backwards(RightSplitter):
    def texts(self, section: Section) -> list[str]:
        return super().texts(section)[::-1]


class OwnHeadings(RightSplitter):
    @hookimpl
    def split(self, sections: Sequence[Section]) -> Any:
        return [msgspec.structs.replace(section, path=("Passage",)) for section in sections]


class Whole(RightSplitter):
    @hookimpl
    def split(self, sections: Sequence[Section]) -> Any:
        return sections


class WantsSections(RightSplitter):
    @hookimpl
    def split(self, sections: Sequence[Section]) -> Any:
        return [sections[0]]


class TakesOff(RightSplitter):
    @hookimpl
    def split(self, sections: list[Section]) -> Any:
        return [sections.pop() for _ in range(len(sections))]


class Counts(RightSplitter):
    numbers = itertools.count()

    def texts(self, section: Section) -> list[str]:
        return [*super().texts(section), f"{next(self.numbers)}"]


class SplitsAtSpaces(RightSplitter):
    def texts(self, section: Section) -> list[str]:
        words = section.text.split(" ")
        return [" ".join(words[start : start + SIZE]) for start in range(0, len(words), SIZE)]


class CutsOff(RightSplitter):
    def texts(self, section: Section) -> list[str]:
        return super().texts(section) if " " in section.text else [section.text[:SIZE]]


class FirstHeadings(RightSplitter):
    @hookimpl
    def split(self, sections: Sequence[Section]) -> Any:
        parts = super().split(sections)
        return [msgspec.structs.replace(part, path=parts[0].path) for part in parts]


class MakesNewSections(RightSplitter):
    @hookimpl
    def split(self, sections: Sequence[Section]) -> Any:
        return [Section(part.text, part.path, header=part.header) for part in super().split(sections)]


class ForgetsHeaders(RightSplitter):
    @hookimpl
    def split(self, sections: Sequence[Section]) -> Any:
        return [msgspec.structs.replace(part, header="") for part in super().split(sections)]


SPLIT = (
    Wrong("test_split_makes_it_smaller", SplitsAtSpaces, "as long as its section"),
    Wrong("test_split_loses_nothing", CutsOff, "is there less often"),
    Wrong("test_split_keeps_headings", FirstHeadings, "a passage has ('File', 'Prose')"),
    Wrong("test_split_keeps_places", MakesNewSections, "a passage has no "),
    Wrong("test_split_repeats_headers", ForgetsHeaders, "a passage has no 'name | value'"),
    Wrong("test_split_is_offered", Hidden, "the host does not see it"),
    Wrong("test_split_needs_no_start", NeedsStart, "the call raised RuntimeError"),
    Wrong("test_split_loses_nothing", KeepsBeginnings, "words are lost, the first is 'word1000'"),
    Wrong("test_split_loses_nothing", Backwards, "another order"),
    Wrong("test_split_keeps_headings", OwnHeadings, "a passage has ('Passage',)"),
    Wrong("test_split_makes_it_smaller", Whole, "as long as its section"),
    Wrong("test_split_takes_anything", WantsSections, "the call raised IndexError"),
    Wrong("test_split_leaves_sections_alone", TakesOff, "changed the list"),
    Wrong("test_split_leaves_sections_alone", Counts, "something else the second time"),
)
