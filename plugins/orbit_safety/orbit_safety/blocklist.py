"""Block lists of words, phrases and patterns. They need no model."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from orbit_safety.folding import fold
from orbit_safety.settings import SafetySettings

_SHORTEST_PATTERN = 3


class Entries(msgspec.Struct, frozen=True):
    """The entries of a block list, as written."""

    terms: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()


def entries_of(settings: SafetySettings) -> Entries:
    """Return the entries of the settings and of their file. Raises OSError or UnicodeDecodeError for the file."""
    terms, patterns = list(settings.block_terms), list(settings.block_patterns)
    if settings.block_file:
        for line in _lines(Path(settings.block_file).expanduser().read_text(encoding="utf-8")):
            if len(line) >= _SHORTEST_PATTERN and line.startswith("/") and line.endswith("/"):
                patterns.append(line[1:-1])
            else:
                terms.append(line)
    return Entries(tuple(terms), tuple(patterns))


def mistakes(entries: Entries) -> Iterator[str]:
    """Yield a sentence for each invalid entry."""
    for term in entries.terms:
        if not fold(term):
            yield f"the blocked term {term!r} is empty."
    for pattern in entries.patterns:
        try:
            matches_all = re.compile(pattern).search("") is not None
        except re.error as error:
            yield f"the pattern /{pattern}/ is not a valid regular expression: {error}."
        else:
            if matches_all:
                yield f"the pattern /{pattern}/ matches every text."


class Blocklist:
    """Entries compiled for searching. Case, accents, look-alikes and invisible characters make no difference."""

    def __init__(self, entries: Entries) -> None:
        self._terms = _any_of(entries.terms)
        self._patterns = [re.compile(pattern, re.IGNORECASE) for pattern in entries.patterns]

    def __bool__(self) -> bool:
        return self._terms is not None or bool(self._patterns)

    def find(self, text: str) -> str:
        """Return the entry that a text matches, or an empty text."""
        folded = fold(text)
        if self._terms is not None:
            found = self._terms.search(folded)
            if found is not None:
                return found.group()
        for pattern in self._patterns:
            if pattern.search(folded) is not None or pattern.search(text) is not None:
                return f"/{pattern.pattern}/"
        return ""


def _any_of(terms: Sequence[str]) -> re.Pattern[str] | None:
    """Return one expression for all terms, each as whole words. Scripts without spaces between words need none."""
    folded = sorted({fold(term) for term in terms} - {""}, key=len, reverse=True)
    return re.compile("|".join(_whole(term) for term in folded)) if folded else None


def _whole(term: str) -> str:
    before = r"(?<![^\W_])" if term[0].isascii() and term[0].isalnum() else ""
    after = r"(?![^\W_])" if term[-1].isascii() and term[-1].isalnum() else ""
    return before + r"\s+".join(re.escape(word) for word in term.split()) + after


def _lines(text: str) -> Iterable[str]:
    lines = (line.strip() for line in text.lstrip("\ufeff").splitlines())
    return (line for line in lines if line and not line.startswith("#"))
