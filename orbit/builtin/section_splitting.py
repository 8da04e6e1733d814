"""Splits sections between rows, lines, paragraphs or sentences, as their kind asks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from orbit.builtin.table_splitting import pieces_of_table
from orbit.types import MetadataValue, Section

BLOCK = 20_000
"""Characters passed to the splitter at once."""

if TYPE_CHECKING:
    from semantic_text_splitter import MarkdownSplitter, TextSplitter

Piece = tuple[int, str]
"""A piece of a text and its position in it, in characters."""


class Sizes(msgspec.Struct, frozen=True):
    """Longest passages in characters, headings included, and what adjacent ones of prose share."""

    prose: int
    table: int
    code: int
    overlap: int


def split(sections: Iterable[Section], sizes: Sizes) -> list[Section]:
    """Split sections so that each fits a passage, together with the headings above it."""
    return [piece for section in sections for piece in pieces(section, sizes)]


def above(section: Section) -> str:
    """Return the headings with which a passage begins."""
    return "" if section.whole else " > ".join(section.path)


def pieces(section: Section, sizes: Sizes) -> Iterator[Section]:
    """Yield the passages of a section."""
    size = {"prose": sizes.prose, "table": sizes.table, "code": sizes.code}[section.kind]
    room = max(size - len(above(section)) - 2, size // 2, 1)
    if section.header:
        for header, at, text in pieces_of_table(section.header, section.text, room):
            metadata = _moved(section.metadata, "row", at)
            yield msgspec.structs.replace(section, header=header, text=text, metadata=metadata)
    elif section.whole or len(section.text) <= room:
        if stripped := _trimmed(section, section.text):
            yield msgspec.structs.replace(section, text=stripped)
    else:
        counted, line, found = 0, 0, section.metadata.get("line")
        for at, piece in _cut(section, room, sizes):
            if stripped := _trimmed(section, piece):
                if found is not None:  # pieces overlap, so count to the start of each
                    start = at + piece.index(stripped)
                    line += section.text.count("\n", counted, start) - section.text.count("\n", start, counted)
                    counted = start
                metadata = _moved(section.metadata, "line", line)
                yield msgspec.structs.replace(section, text=stripped, metadata=metadata)


def _trimmed(section: Section, text: str) -> str:
    """Return the text without space around it. The first line of code keeps its indentation."""
    return text.strip("\n").rstrip() if section.kind == "code" else text.strip()


def _moved(metadata: dict[str, MetadataValue], key: str, steps: int) -> dict[str, MetadataValue]:
    """Return the location ``steps`` rows or lines further down, if it has any."""
    start = metadata.get(key)
    return {**metadata, key: start + steps} if isinstance(start, int) and steps else metadata


def _cut(section: Section, room: int, sizes: Sizes) -> Iterator[Piece]:
    splitter: MarkdownSplitter | TextSplitter
    if section.markdown:
        splitter = _markdown_splitter(room)
    elif section.kind == "code":
        splitter = _text_splitter(room, 0, trim=False)
    else:
        splitter = _text_splitter(room, min(sizes.overlap, room // 2))
    for start, block in _blocks(section.text):
        for at, piece in splitter.chunk_indices(block):
            yield start + at, piece


def _blocks(text: str) -> Iterator[Piece]:
    """Cut a very long text at paragraphs, lines or spaces: on some texts the splitter's time grows quadratically."""
    start = 0
    while len(text) - start > BLOCK:
        end = start + BLOCK
        for gap in ("\n\n", "\n", " "):
            if (found := text.rfind(gap, start + BLOCK // 2, end)) >= 0:
                end = found
                break
        yield start, text[start:end]
        start = end
    yield start, text[start:]


@lru_cache(maxsize=64)
def _markdown_splitter(room: int) -> MarkdownSplitter:
    from semantic_text_splitter import MarkdownSplitter  # noqa: PLC0415  # only those who ingest pay for it

    return MarkdownSplitter(room)


@lru_cache(maxsize=64)
def _text_splitter(room: int, overlap: int, *, trim: bool = True) -> TextSplitter:
    from semantic_text_splitter import TextSplitter  # noqa: PLC0415  # only those who ingest pay for it

    return TextSplitter(room, overlap, trim=trim)
