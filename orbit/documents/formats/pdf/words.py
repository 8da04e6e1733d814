"""Makes text of a page's lines: words whole again, ligatures spelled out, paragraphs apart."""

from __future__ import annotations

import re
import statistics
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import pairwise

from orbit.documents.formats.pdf.piece import HYPHEN, SOFT_HYPHENS, Piece
from orbit.system.unicode import nfc

_PRESENTED = re.compile("[\ufb00-\ufdff\ufe70-\ufefc\u2f00-\u2fd5\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]+")
"""Shapes of letters that stand for the letters themselves: ligatures, Arabic letters in their places, radicals, and
letters as wide as Chinese ones."""
_INVISIBLE = re.compile("[\u00ad\u200b\u2060\ufeff]")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\u00a0]")
"""What PDFium gives for glyphs whose character the file does not name: often a space."""
_CJK = "\u2e80-\u30ff\u3400-\u9fff\uf900-\ufaff"
_SPACED = re.compile(f" (?<=[{_CJK}] ) *(?=[{_CJK}])")
"""Chinese and Japanese have no spaces between words. Where a PDF spreads its letters, PDFium sees some."""
_HYPHENS = ("-", *SOFT_HYPHENS)
_COMPOUND = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)+")
_MARKS = ".,:;!?()[]\"'"
_LAST = re.compile(r"[^\W\d_]+$")
_FIRST = re.compile(r"[^\W\d_]+")
_SUSPENDED = frozenset(("und", "oder", "bzw", "sowie", "bis", "and", "och", "eller", "og", "ili"))
"""Words after a hyphen that stands for the end of another word, as in "pre- and postnatal"."""
_BREAKS = re.compile(f"[{_CJK}][{_CJK}]\\Z")
"""A line of Chinese or Japanese ends anywhere in a word."""
_INDENT = 20.0
"""Points: lines that begin so close to each other are in one column."""
_FULL = 0.95
"""Part of the widest line of its column from which a line is full, and the next one goes on."""
_PARAGRAPH = 1.4
"""Lines this many times as far apart as usual on their page begin a paragraph."""
_FAR = 3.0
"""So do lines this many heights of their text apart."""


class Words:
    """Decides which hyphens at the ends of lines belong to the word, from the other words of the document."""

    def __init__(self, pieces: Iterable[Piece]) -> None:
        self._pieces = pieces
        self._compounds: set[str] | None = None
        self._words: set[str] = set()

    def joined(self, above: str, below: str) -> str | None:
        """Return two lines as one if a hyphen divides a word between them, or else None."""
        if not above.endswith(_HYPHENS):
            return None
        start, end = _LAST.search(above[:-1]), _FIRST.match(below)
        if start is None or end is None or not end.group()[0].islower():
            return above[:-1] + "-" + below if above.endswith(HYPHEN) and start else None
        after = below[end.end() : end.end() + 1]
        if after == "-" or end.group() in _SUSPENDED:  # "state-of-the-art", "pre- and postnatal"
            return f"{above[:-1]}-{below}" if after != " " else f"{above[:-1]}- {below}"
        compound = f"{start.group()}-{end.group()}".lower()
        return above[:-1] + ("-" if self._has_hyphen(compound) else "") + below

    def _has_hyphen(self, compound: str) -> bool:
        """Whether the document writes a word with a hyphen wherever it is in the middle of a line."""
        if self._compounds is None:
            words = set("\n".join(piece.text for piece in self._pieces).lower().split())
            self._compounds = {part for word in words if "-" in word for part in _COMPOUND.findall(word)}
            self._words = {word.strip(_MARKS) for word in words}
        if compound not in self._compounds:
            return False
        return compound.replace("-", "") not in self._words


def clean(text: str) -> str:
    """Return a text with letters in place of their shapes, without invisible characters, in NFC."""
    if not text.replace("\n", "").isprintable():
        text = _INVISIBLE.sub("", _CONTROL.sub(" ", text))
    if text.isascii():
        return text
    text = _PRESENTED.sub(lambda shapes: unicodedata.normalize("NFKC", shapes.group()), text)
    return _SPACED.sub("", nfc(text))


def prose(pieces: Sequence[Piece], words: Words) -> str:
    """Return lines as text: a blank line between paragraphs, no break within words or rows."""
    if not pieces:
        return ""
    steps = [after.top - before.top for before, after in pairwise(pieces)]
    usual = statistics.median_low(downwards) if (downwards := [step for step in steps if step > 0]) else 0.0
    far = _PARAGRAPH * usual
    widest: dict[int, float] = {}
    parts = [pieces[0].text]
    for before, after, step in zip(pieces, pieces[1:], steps, strict=False):
        if before.text.endswith(_HYPHENS) and (whole := words.joined(parts[-1], after.text)) is not None:
            parts[-1] = whole
            continue
        if after.left >= before.right and after.top < before.bottom and before.top < after.bottom:
            parts.append(" ")
        elif step > far or step < 0 or step > _FAR * before.height:
            parts.append("\n\n")
        elif before.text[-1:] > _CJK[0] and _BREAKS.search(before.text + after.text[:1]):
            widest = widest or _widest(pieces)
            parts.append("" if before.right >= _FULL * widest[round(before.left / _INDENT)] else "\n")
        else:
            parts.append("\n")
        parts.append(after.text)
    return clean("".join(parts).replace(HYPHEN, "-"))


def _widest(pieces: Sequence[Piece]) -> dict[int, float]:
    """Return where the longest line of each column ends."""
    widest: dict[int, float] = {}
    for piece in pieces:
        column = round(piece.left / _INDENT)
        widest[column] = max(piece.right, widest.get(column, 0.0))
    return widest
