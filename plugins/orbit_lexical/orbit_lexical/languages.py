"""Word stems, for languages that the script or the commonest words of a text give away."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final

from orbit_lexical.common import COMMON

if TYPE_CHECKING:
    from collections.abc import Iterable

    from snowballstemmer.basestemmer import BaseStemmer  # type: ignore[import-untyped]  # it has no types

_SCRIPTS: Final = (
    (re.compile(r"[\u0400-\u04ff]"), "russian"),
    (re.compile(r"[\u0600-\u06ff]"), "arabic"),
    (re.compile(r"[\u0900-\u097f]"), "hindi"),
    (re.compile(r"[\u0370-\u03ff]"), "greek"),
)
"""Scripts that one of Snowball's languages dominates."""

_LATIN: Final = ("english", "german", "french", "spanish", "italian", "portuguese", "dutch")
_WORDS: Final = {language: frozenset(COMMON[language].split()) for language in _LATIN}


def language_of(words: Iterable[str]) -> str:
    """Return Snowball's name of a passage's language, judged by its folded words; empty if unknown."""
    given = list(words)
    text = "".join(given)
    for pattern, language in _SCRIPTS:
        if len(pattern.findall(text)) * 2 > len(text):
            return language
    hits = {language: sum(word in common for word in given) for language, common in _WORDS.items()}
    best = max(hits, key=hits.__getitem__)
    return best if hits[best] * 20 > len(given) else ""


def stems_of(word: str) -> list[str]:
    """Return the stems that a word of a question may have: a question is too short to tell its language."""
    for pattern, language in _SCRIPTS:
        if pattern.match(word):
            return [stem(language, word)]
    return list(dict.fromkeys([word, *(stem(language, word) for language in _LATIN)]))


@lru_cache(maxsize=100_000)
def stem(language: str, word: str) -> str:
    """Return the stem of a folded word."""
    stemmed: str = _stemmer(language).stemWord(word)
    return stemmed


@cache
def _stemmer(language: str) -> BaseStemmer:
    import snowballstemmer  # type: ignore[import-untyped]  # noqa: PLC0415  # it has no types; importing stays light

    return snowballstemmer.stemmer(language)
