"""Makes passages from sections: at most the configured size, each with enough context to be understood alone."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import PurePath

import msgspec

from orbit.builtin import section_splitting
from orbit.builtin.section_splitting import above
from orbit.config.model import Ingest
from orbit.documents.sections import Content, Section
from orbit.system.unicode import nfc
from orbit.types import Document

_INVISIBLE = re.compile(
    "\x1b\\[[0-9;?]*[A-Za-z]|\x1b\\][^\x07\x1b\n]{0,2000}(?:\x07|\x1b\\\\)"  # colours and links of a terminal
    "|[\x00-\x08\x0b\x0e-\x1f\x7f\u00ad\u2060\ufeff]"
    "|(?<=[!-\u052f])\u200b(?=[!-\u052f])"  # in a word of an alphabet; other scripts divide words by it
    "|(?<!\\S)\u200b+|\u200b+(?!\\S)"  # at the edge of a word, where SharePoint leaves it
)
"""Characters that nobody sees, but that divide a word for whoever searches it."""

_PLAIN = {ord("\f"): "\n", 0xA0: " ", 0x202F: " ", 0x2011: "-"}
"""Spaces and a hyphen at which no line ends, and ends of pages."""
_LONGEST_NAME = 1_000
"""Characters of a heading or title that passages repeat."""


def titled(source: str, title: str, sections: Iterable[Section]) -> Iterator[Section]:
    """Yield a file's sections, each with the file's title first in its path.

    All passages below a heading repeat it. One that is longer than any passage becomes text of its own, and is repeated
    in short.
    """
    title = title or PurePath(source).stem
    told: set[str] = set()
    for section in sections:
        path = section.path if section.path[:1] == (title,) else (title, *section.path)
        if any(len(name) > _LONGEST_NAME for name in path):
            for number, name in enumerate(path):
                if len(name) > _LONGEST_NAME and name not in told:
                    told.add(name)
                    above = tuple(map(_shortened, path[:number]))
                    yield Section(name, above, title=_shortened(title), metadata=section.metadata)
            path = tuple(map(_shortened, path))
        yield msgspec.structs.replace(section, path=path, title=_shortened(section.title or title))


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME].rsplit(None, 1)[0]} …"


def split(sections: Iterable[Section], settings: Ingest) -> Iterator[Section]:
    """Split sections by ``ingest.chunk_size``."""
    size = settings.chunk_size
    sizes = section_splitting.Sizes(size, size, size, settings.chunk_overlap)
    return (piece for section in sections for piece in section_splitting.pieces(section, sizes))


def documents(source: str, sections: Iterable[Section], digest: str) -> list[Document]:
    """Return the passages for sections that have the right size.

    Each passage begins with the headings above it, so that it names its topic wherever it is read.
    """
    bodies = ((section, _clean(_body(section))) for section in sections if section.text.strip())
    return [
        Document(
            id=hashlib.sha256(f"{source}\0{digest}\0{number}".encode()).hexdigest()[:32],
            text="\n\n".join(filter(None, (_clean(above(section)), body))),
            source=source,
            title=_clean(section.title),
            digest=digest,
            metadata={**section.metadata, "heading": _clean(" > ".join(section.path[1:]))}
            if section.path[1:]
            else section.metadata,
        )
        for number, (section, body) in enumerate(one for one in bodies if one[1].strip())
    ]


def passages(source: str, content: Content, digest: str, settings: Ingest) -> list[Document]:
    """Return the passages of one file, in order."""
    return documents(source, split(titled(source, content.title, content.sections), settings), digest)


def _body(section: Section) -> str:
    return f"{section.header}\n{section.text}" if section.header else section.text


def _clean(text: str) -> str:
    """Return a text in NFC without invisible characters, and without the surrogates that databases and JSON reject."""
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text  # as most is: in a table of a million rows it counts
    text = _INVISIBLE.sub("", text.translate(_PLAIN)).encode("utf-8", "replace").decode("utf-8")
    return nfc(text)
