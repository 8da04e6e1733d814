"""Passages that say what a better one says: the same words, or those of a copy of its file under another header."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import Final

import msgspec

from orbit.chat.locations import heading_of
from orbit.chat.search.languages import is_common
from orbit.system.unicode import nfc
from orbit.types import Document

_MARKS: Final = "\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0900-\u0963\u0966-\u109f\u1780-\u17d3"
"""Vowel signs, which tell words apart and are no letters."""
_WORD: Final = re.compile(rf"(?:\w[{_MARKS}]*)+|(?<!\w)[-\u2212](?=\d)|[+<>=≤≥≠±](?=\s?\d)|[%‰$€£¥]")
"""A word, or a sign that gives a number another meaning: -5 is not 5."""

_COPY: Final = re.compile(r"\s?\(\d{1,2}\)$")
"""What browsers and file managers add to the name of a file that exists."""
_HEADER: Final = re.compile(r"(?![-*+•|]|\d+[.)])(?:[^\n]{0,80}[^\n.!?:;,。！？।؟])?(?:\n+|$)")  # noqa: RUF001
"""A line that is no sentence, and no row of a list or a table."""
_FEWEST: Final = 12
"""Words of a copy's body: fewer may be the same by chance, such as the values of a form."""


class _Said(msgspec.Struct, frozen=True):
    """What a passage says, as words with spaces around them."""

    document: Document
    text: str
    body: str
    """Without its first lines, if they are a header."""
    header: frozenset[str]


def distinct(documents: Sequence[Document], question: str = "") -> list[Document]:
    """Leave out documents that one before says, alone or among other things, and name their sources there.

    Case and punctuation do not count, nor does the header of a copy in another file, unless it differs in a number,
    which may tell versions apart, or in a word of the question. Whatever differs below keeps both: two versions of one
    rule may differ in a single number.
    """
    kept = Kept(question)
    found: list[Document] = []
    for document in documents:
        place = kept.place_of(document)
        if place is None:
            found.append(document)
        else:
            found[place] = _with_source(found[place], document.source)
    return found


class Kept:
    """The passages that a prompt has already."""

    def __init__(self, question: str) -> None:
        """Start without any."""
        self._asked = {word for word in _words(question) if not is_common(word)}
        self._said: list[_Said] = []

    def adds(self, document: Document) -> bool:
        """Keep a document and return True, unless one before says what it says."""
        return self.place_of(document) is None

    def place_of(self, document: Document) -> int | None:
        """Return which one before says what a document says, counted from 0; None after keeping it."""
        said = _said(document)
        for place, before in enumerate(self._said):
            if _is_copy(said, before, self._asked):
                return place
        self._said.append(said)
        return None


def _with_source(document: Document, source: str) -> Document:
    if not source or source in (document.source, *document.also):
        return document
    return msgspec.structs.replace(document, also=(*document.also, source))


def _is_copy(said: _Said, better: _Said, asked: set[str]) -> bool:
    if not said.text.strip():
        return False
    if said.text in better.text:
        return True
    if said.document.source == better.document.source or heading_of(said.document) != heading_of(better.document):
        return False
    if said.body not in better.text or said.body.count(" ") <= _FEWEST:
        return False
    own = said.header - better.header
    return own.isdisjoint(asked) and not any(character.isdigit() for word in own for character in word)


def _said(document: Document) -> _Said:
    text, name = document.text, PurePath(document.source).stem
    if (plain := _COPY.sub("", name)) != name and text.startswith(name):
        text = plain + text[len(name) :]
    body = text
    while body and (line := _HEADER.match(body)) and line.end() < len(body):
        body = body[line.end() :]
    return _Said(document, _joined(text), _joined(body), frozenset(_words(text[: len(text) - len(body)])))


def _joined(text: str) -> str:
    return f" {' '.join(_words(text))} "


def _words(text: str) -> list[str]:
    return _WORD.findall(nfc(text).casefold())
