"""Makes passages from sections: at most the configured size, each with enough context to be understood alone."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import PurePath
from typing import TYPE_CHECKING

import msgspec

from orbit.config.model import Ingest
from orbit.documents.rows import pieces_of_table
from orbit.documents.sections import Content, Section
from orbit.types import Document, MetadataValue

BLOCK = 20_000
"""Characters passed to the splitter at once."""

if TYPE_CHECKING:
    from semantic_text_splitter import MarkdownSplitter, TextSplitter

Piece = tuple[int, str]
"""A piece of a text and its position in it, in characters or rows."""


def titled(source: str, content: Content) -> list[Section]:
    """Return a file's sections, each with the file's title first in its path."""
    title = content.title or PurePath(source).stem
    return [
        msgspec.structs.replace(
            section,
            path=section.path if section.path[:1] == (title,) else (title, *section.path),
            title=section.title or title,
        )
        for section in content.sections
    ]


def split(sections: Iterable[Section], settings: Ingest) -> list[Section]:
    """Split sections so that each fits a passage, together with the headings above it."""
    return [piece for section in sections for piece in _pieces(section, settings)]


def documents(source: str, sections: Sequence[Section], digest: str) -> list[Document]:
    """Return the passages for sections that have the right size.

    Each passage begins with the headings above it, so that it names its topic wherever it is read.
    """
    return [
        Document(
            id=hashlib.sha256(f"{source}\0{digest}\0{number}".encode()).hexdigest()[:32],
            text=_clean("\n\n".join(filter(None, (_above(section), _body(section))))),
            source=source,
            title=_clean(section.title),
            digest=digest,
            metadata={
                **section.metadata,
                **({"heading": _clean(" > ".join(section.path[1:]))} if section.path[1:] else {}),
            },
        )
        for number, section in enumerate(section for section in sections if section.text.strip())
    ]


def passages(source: str, content: Content, digest: str, settings: Ingest) -> list[Document]:
    """Return the passages of one file, in order."""
    return documents(source, split(titled(source, content), settings), digest)


def _above(section: Section) -> str:
    return "" if section.whole else " > ".join(section.path)


def _body(section: Section) -> str:
    return f"{section.header}\n{section.text}" if section.header else section.text


def _pieces(section: Section, settings: Ingest) -> Iterator[Section]:
    room = max(settings.chunk_size - len(_above(section)) - 2, settings.chunk_size // 2, 1)
    if section.header:
        for header, at, text in pieces_of_table(section.header, section.text, room):
            metadata = _moved(section.metadata, "row", at)
            yield msgspec.structs.replace(section, header=header, text=text, metadata=metadata)
    elif section.whole or len(section.text) <= room:
        if stripped := _trimmed(section, section.text):
            yield msgspec.structs.replace(section, text=stripped)
    else:
        counted, line, found = 0, 0, section.metadata.get("line")
        for at, piece in _cut(section, room, settings):
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


def _cut(section: Section, room: int, settings: Ingest) -> Iterator[Piece]:
    splitter: MarkdownSplitter | TextSplitter
    if section.markdown:
        splitter = _markdown_splitter(room)
    elif section.kind == "code":
        splitter = _text_splitter(room, 0, trim=False)
    else:
        splitter = _text_splitter(room, min(settings.chunk_overlap, room // 2))
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


def _clean(text: str) -> str:
    """Return a text in NFC, without NUL and lone surrogates, which databases and JSON reject."""
    text = text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
    return text if text.isascii() else unicodedata.normalize("NFC", text)


@lru_cache(maxsize=64)
def _markdown_splitter(room: int) -> MarkdownSplitter:
    from semantic_text_splitter import MarkdownSplitter  # noqa: PLC0415  # only those who ingest pay for it

    return MarkdownSplitter(room)


@lru_cache(maxsize=64)
def _text_splitter(room: int, overlap: int, *, trim: bool = True) -> TextSplitter:
    from semantic_text_splitter import TextSplitter  # noqa: PLC0415  # only those who ingest pay for it

    return TextSplitter(room, overlap, trim=trim)
