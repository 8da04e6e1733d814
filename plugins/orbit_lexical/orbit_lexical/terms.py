"""Cuts texts into search terms: words, stems, identifiers, and the pieces of words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from orbit_lexical.common import ALL
from orbit_lexical.dates import dates
from orbit_lexical.languages import language_of, stem, stems_of

LONGEST: Final = 64
"""Characters of a word that count. Longer ones are data, not words."""

PIECE: Final = 4
"""Characters of a piece of a word. Chinese and Japanese, which write no spaces, have pieces of two."""

_WORD: Final = re.compile(r"[^\W_](?:[^\W_]|[\u0300-\u036f\u0591-\u05c7\u064b-\u0655\u0900-\u0e4f\u1780-\u17ff])*")
"""A word with the vowel signs of Hebrew, Arabic and the scripts of India and its neighbours."""

_UNSPACED: Final = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")
"""Scripts without spaces between words."""

_IDENTIFIER: Final = re.compile(r"(?<![^\W_])[^\W_]++(?:[-_./:#+][^\W_]++)+")
"""Starts where a word starts and never goes back: long words would take quadratic time."""

_TELEPHONE: Final = re.compile(r"\+?\(?\d(?:[ ()/.\-\u00a0\u2011]{0,3}\d){5,14}")
_DIGIT: Final = re.compile(r"\d")
_UMLAUT: Final = re.compile(r"(?<![aeoq])([aou])e")
"""An umlaut in two letters, as ä is folded to a. It may be none, as in ``aktuell``: it is only one form more."""
_LOCAL: Final = 6
"""The last digits of a telephone number, which do not depend on how its prefix is written."""


_OTHER_DIGIT: Final = re.compile(r"(?![0-9])\d")
_ONE_SPELLING: Final = {
    **dict.fromkeys((*range(0x300, 0x370), *range(0x64B, 0x656), 0x670, *range(0x6D6, 0x6DD), *range(0x6DF, 0x6E5))),
    **dict.fromkeys((0x640, 0x6E7, 0x6E8, *range(0x6EA, 0x6EE))),
    **{ord(letter): other for letter, other in zip("ىیکةہ", "ييكهه", strict=True)},
}
"""Without accents, and for Arabic without vowel signs and lengthened lines; its letters as most people type them."""


def fold(text: str) -> str:
    """Return the text in one spelling: no case, no accents, no ligatures, no full-width letters, one set of digits."""
    kept = unicodedata.normalize("NFKD", text.casefold()).translate(_ONE_SPELLING)
    return unicodedata.normalize("NFC", _OTHER_DIGIT.sub(lambda found: str(unicodedata.decimal(found[0])), kept))


_PLAIN: Final = str.maketrans({**dict(zip("łøđðħıŋŧ", "loddhint", strict=True)), "æ": "ae", "œ": "oe", "þ": "th"})
"""Letters without accents that people type in names of other languages."""

_COMMON: Final = ALL | {fold(word) for word in ALL}


def words(folded: str) -> Iterator[str]:
    """Yield the words of a folded text; of unspaced scripts each pair of neighbouring characters."""
    return (word for _, word in _placed(folded))


def _placed(folded: str) -> Iterator[tuple[int, str]]:
    """Yield words with the place where they, or the text that they are a pair of, begin."""
    for match in _WORD.finditer(folded):
        start, word = 0, match[0]
        for run in _UNSPACED.finditer(word):
            if run.start() > start:
                yield match.start() + start, word[start : run.start()][:LONGEST]
            yield from ((match.start() + run.start(), pair) for pair in _pairs(run[0]))
            start = run.end()
        if start < len(word):
            yield match.start() + start, word[start:][:LONGEST]


def pieces(word: str) -> Iterator[str]:
    """Yield the overlapping pieces of a word, whose ends are marked."""
    if _UNSPACED.match(word):
        yield word
        return
    marked = f"_{word}_"
    for start in range(max(1, len(marked) - PIECE + 1)):
        yield marked[start : start + PIECE]


def identifiers(folded: str) -> Iterator[str]:
    """Yield what people type in several ways, in one: part numbers, dates and telephone numbers without separators."""
    yield from ("=" + name for _, name in _joined(folded))
    for _, _, forms in _numbers(folded):
        yield from forms


def _joined(folded: str) -> Iterator[tuple[int, str]]:
    """Yield the start of words that separators join and that have a digit, and the words without the separators."""
    for match in _IDENTIFIER.finditer(folded):
        if _DIGIT.search(match[0]):
            yield match.start(), "".join(c for c in match[0] if c.isalnum())[:LONGEST]


def _numbers(folded: str) -> Iterator[tuple[int, int, list[str]]]:
    """Yield start, end and forms of dates and telephone numbers."""
    found = list(dates(folded))
    yield from ((start, end, [f"@{day}" for day in days]) for start, end, days in found)
    for match in _TELEPHONE.finditer(folded):
        if not any(start < match.end() and match.start() < end for start, end, _ in found):
            yield match.start(), match.end(), ["#" + "".join(c for c in match[0] if c.isdigit())[-_LOCAL:]]


def indexed(text: str) -> tuple[str, str]:
    """Return the stems and the pieces of a passage, each joined by spaces."""
    folded = fold(text)
    found = list(words(folded))
    language = language_of(found)
    stems = [form for word in found for form in _forms(word, language)]
    cut = (piece for word in found for spelling in spellings(word) for piece in pieces(spelling))
    return " ".join([*stems, *identifiers(folded)]), " ".join(cut)


def spellings(word: str) -> tuple[str, ...]:
    """Return a folded word as it is and, if that differs, in plain letters."""
    plain = word if word.isascii() else word.translate(_PLAIN)
    return (word,) if plain == word else (word, plain)


def asked(text: str) -> tuple[list[list[str]], list[str]]:
    """Return the alternative stems of each word of a question, and its pieces; each once."""
    folded = fold(text)
    found = list(dict.fromkeys(words(folded)))
    found = [word for word in found if word not in _COMMON] or found
    # A passage may write a number or a date in another way, so its words are no terms beside it.
    numbers = list(_numbers(folded))
    inside = {at for start, end, _ in numbers for at in range(start, end)}
    apart = {word for at, word in _placed(folded) if at not in inside}
    stems = [_with_separators(word, stems_of(word)) for word in found if word in apart]
    named = [["=" + name] for at, name in _joined(folded) if at not in inside]
    stems += [forms for forms in [*named, *(forms for _, _, forms in numbers)] if forms not in stems]
    return stems, list(dict.fromkeys(piece for word in found for piece in pieces(spellings(word)[-1])))


def _with_separators(word: str, forms: list[str]) -> list[str]:
    """Return the forms of a word, with that of an identifier that passages may write with separators."""
    if is_identifier(word):
        return [*forms, "=" + word]
    return list(dict.fromkeys([*forms, *spellings(word), _UMLAUT.sub(r"\1", word)]))


def is_identifier(term: str) -> bool:
    """Return whether a term names one thing: it has a digit and is long enough not to be a mere count."""
    return len(term) > 2 and bool(_DIGIT.search(term))  # noqa: PLR2004  # 12 is a count


def _forms(word: str, language: str) -> Iterator[str]:
    yield from spellings(word)
    if language == "german" and (shorter := _UMLAUT.sub(r"\1", word)) != word:
        yield shorter
    if language and not is_identifier(word) and (stemmed := stem(language, word)) != word:
        yield stemmed


def _pairs(run: str) -> Iterator[str]:
    if len(run) == 1:
        yield run
    for start in range(len(run) - 1):
        yield run[start : start + 2]
