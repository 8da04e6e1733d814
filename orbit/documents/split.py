"""Splits sections into passages of at most the configured size, each with enough context to be understood alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain
from pathlib import PurePath
from typing import TYPE_CHECKING

from orbit.config.model import Ingest
from orbit.documents.sections import Content, Section
from orbit.types import Document

BLOCK = 20_000
"""Characters passed to the splitter at once."""

if TYPE_CHECKING:
    from semantic_text_splitter import MarkdownSplitter, TextSplitter


def passages(source: str, content: Content, digest: str, settings: Ingest) -> list[Document]:
    """Return the passages of one file, in order.

    Each passage begins with the headings above it, so that it names its topic wherever it is read.
    """
    title = content.title or PurePath(source).stem
    documents: list[Document] = []
    for section in content.sections:
        headings = section.path if section.path[:1] == (title,) else (title, *section.path)
        above = "" if section.whole else " > ".join(headings)
        room = max(settings.chunk_size - len(above) - 2, settings.chunk_size // 2, 1)
        for body in _pieces(section, room, settings):
            text = _clean(f"{above}\n\n{body}" if above else body)
            documents.append(
                Document(
                    id=hashlib.sha256(f"{source}\0{digest}\0{len(documents)}".encode()).hexdigest()[:32],
                    text=text,
                    source=source,
                    title=_clean(section.title or title),
                    digest=digest,
                    metadata={**section.metadata, **({"heading": " > ".join(section.path)} if section.path else {})},
                )
            )
    return documents


def _pieces(section: Section, room: int, settings: Ingest) -> Iterator[str]:
    splitter: MarkdownSplitter | TextSplitter
    if section.whole or len(section.text) <= room:
        pieces: Iterable[str] = [section.text]
    else:
        if section.markdown:
            splitter = _markdown_splitter(room)
        else:
            splitter = _text_splitter(room, min(settings.chunk_overlap, room // 2))
        pieces = chain.from_iterable(splitter.chunks(block) for block in _blocks(section.text))
    for piece in pieces:
        if stripped := piece.strip():
            yield stripped


def _blocks(text: str) -> Iterator[str]:
    """Cut a very long text at paragraphs, lines or spaces: on some texts the splitter's time grows quadratically."""
    start = 0
    while len(text) - start > BLOCK:
        end = start + BLOCK
        for gap in ("\n\n", "\n", " "):
            if (found := text.rfind(gap, start + BLOCK // 2, end)) >= 0:
                end = found
                break
        yield text[start:end]
        start = end
    yield text[start:]


def _clean(text: str) -> str:
    """Remove NUL and lone surrogates, common in PDFs: databases and JSON reject them."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


@lru_cache(maxsize=64)
def _markdown_splitter(room: int) -> MarkdownSplitter:
    from semantic_text_splitter import MarkdownSplitter  # noqa: PLC0415  # only those who ingest pay for it

    return MarkdownSplitter(room)


@lru_cache(maxsize=64)
def _text_splitter(room: int, overlap: int) -> TextSplitter:
    from semantic_text_splitter import TextSplitter  # noqa: PLC0415  # only those who ingest pay for it

    return TextSplitter(room, overlap)
