"""Finds the part of a passage that answers a question, in any language and without a model."""

from __future__ import annotations

import itertools
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

_FENCE = re.compile(r"^\s*(?:```|~~~)")
_WHOLE_LINE = re.compile(r"^\s*(?:\||[-*+•‣◦]\s|\d{1,3}[.)]\s|#{1,6}\s|>|\t| {4})|\t|.\|.")
"""A line of a table, list, heading, quotation or code: it means something only as a whole."""
_TABLE_ROW = re.compile(r"^\s*\||.\|.|\t")
_NOT_AFTER = (
    r"(?<!\b[^\W\d_])(?<!\b\d)(?<!\b\d\d)"  # initials and "z. B.", days and numbers of items
    r"(?<!\b(?:Dr|Mr|Ms|St|Nr|No|vs|ca|pp|cf))(?<!\b(?:Mrs|bzw|etc|Abs|Art))"
)
_CLOSING = "\"'\u201d\u2019)\\]\u00bb"
_SENTENCE_END = re.compile(
    rf"(?:{_NOT_AFTER}\.(?=[{_CLOSING}]*\s+[^\s\d.,;a-z\u00e0-\u00ff])"
    rf"|[!?](?=[{_CLOSING}]*\s|[^\x00-\x7f])"
    "|[\u061f\u06d4\u0964\u0965\u2026](?=\\s)"  # Arabic, Urdu, Hindi; an ellipsis
    "|[\u3002\uff01\uff1f\uff61](?![\u300d\u300f\u201d\u2019\uff09)])"  # Chinese and Japanese
    rf")[{_CLOSING}]*\s*"
)
_WORD = re.compile(r"\w+")
_GRAM = 3


def units_of(text: str) -> list[str]:
    """Split a text into sentences; into whole lines where it has tables or lists, and blocks of code. Loses nothing."""
    units: list[str] = []
    prose = ""
    code = ""
    for line in text.splitlines(keepends=True):
        fence = bool(_FENCE.match(line))
        if code or fence:
            if not code:
                units += _sentences(prose)
                prose = ""
            closes = bool(code) and fence
            code += line
            if closes:
                units.append(code)
                code = ""
        elif _WHOLE_LINE.search(line):
            units += [*_sentences(prose), line]
            prose = ""
        else:
            prose += line
    return [*units, *_sentences(prose), *([code] if code else [])]


def best_part(question: str, text: str, others: Sequence[str], longest: int) -> list[str]:
    """Return the neighbouring units of a text that share most with a question, together ``longest`` characters or less.

    One unit is returned whole, however long it is. ``others`` are texts that show which words say little here. A part
    of a table begins with the table's first lines.
    """
    units = units_of(text)
    if len(text) <= longest or len(units) == 1:
        return units
    weights = _weights([*units, *others])
    asked = _grams(question)
    gains = [asked & _grams(unit) for unit in units]
    best, place = -1.0, (0, 1)
    for start in range(len(units)):
        size, covered = 0, set[str]()
        for end in range(start, len(units)):
            size += len(units[end])
            if size > longest and end > start:
                break
            covered |= gains[end]
            # Length counts a little: of two parts with the same words, the shorter one says it.
            score = sum(weights[gram] for gram in covered) - 0.002 * size
            if score > best + 1e-9:
                best, place = score, (start, end + 1)
    return _with_header(units, *place)


def _with_header(units: Sequence[str], start: int, end: int) -> list[str]:
    """Return units, with the first lines of the table that they begin in."""
    first = start
    while first > 0 and _TABLE_ROW.search(units[first]) and _TABLE_ROW.search(units[first - 1]):
        first -= 1
    if first == start or not _TABLE_ROW.search(units[start]):
        return list(units[start:end])
    header = units[first : min(start, first + (2 if re.match(r"^[\s|:+-]+$", units[first + 1]) else 1))]
    return [*header, *units[start:end]]


def _sentences(prose: str) -> list[str]:
    ends = [0, *(match.end() for match in _SENTENCE_END.finditer(prose)), len(prose)]
    parts = [prose[start:end] for start, end in itertools.pairwise(ends) if start < end]
    return [piece for part in parts for piece in re.findall(r".+?(?:\n\s*\n\s*|$)", part, re.DOTALL)]


def _grams(text: str) -> set[str]:
    """Return a text's character trigrams by word: endings differ, stems are shared; scripts without spaces work too."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    grams: set[str] = set()
    for word in _WORD.findall(plain):
        padded = f" {word} "
        size = 2 if any(unicodedata.category(letter) == "Lo" for letter in word) else _GRAM
        grams.update(padded[at : at + size] for at in range(len(padded) - size + 1))
    return grams


def _weights(texts: Sequence[str]) -> dict[str, float]:
    """Return how much each trigram tells about a text: rare ones more."""
    counted = Counter(gram for text in texts for gram in _grams(text))
    return {gram: math.log(1 + len(texts) / count) for gram, count in counted.items()}
