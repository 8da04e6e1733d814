"""Finds the claims of an answer that can be looked up word for word: numbers, names, identifiers and addresses."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_ADDRESS = re.compile(r"(?:https?://|www\.)[^\s<>\"')\]]+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![A-Za-z\d_])\d+(?:[.,:/'\u2019\u00a0\u202f-]\d+)*")
_GROUP = re.compile(r"\d+")
_CITATION = re.compile(r"\[\d{1,4}\]")
_LIST_NUMBER = re.compile(r"^\s*\d{1,3}[.)]\s", re.MULTILINE)
_IDENTIFIER = re.compile(r"(?<![\w])(?=[\w-]*[A-Za-z])(?=[\w-]*\d)[A-Za-z][\w-]+|\b[A-Z]{2,}\b")
_CAPITAL = r"[A-Z\u00c0-\u00de\u0391-\u03a9\u0410-\u042f][\w'\u2019-]*"
_NAME = re.compile(rf"{_CAPITAL}(?:[ \u00a0]+{_CAPITAL})*")
_BEGINNING = re.compile(r"(?:^|[.!?:;\u2026*#>|\"\u201c\u201e(\[-])\s*$")
_WORD = re.compile(r"\w+")
_FENCED = re.compile(r"```.*?(?:```|$)", re.DOTALL)

_GERMAN = frozenset(
    (
        *("der", "das", "und", "ist", "nicht", "mit", "für", "auf", "ein", "eine", "einen", "zu", "im", "den"),
        *("dem", "von", "sie", "wird", "bei", "bis", "oder"),
    )
)
"""Words that tell German, where every noun is capitalized."""

_UNITS = {
    "en": "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty",
    "de": "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn "
    "siebzehn achtzehn neunzehn zwanzig",
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis "
    "diecisiete dieciocho diecinueve veinte",
    "fr": "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix-sept "
    "dix-huit dix-neuf vingt",
}
_TENS = {
    "en": "twenty thirty forty fifty sixty seventy eighty ninety hundred",
    "de": "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig hundert",
    "es": "veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa cien",
    "fr": "vingt trente quarante cinquante soixante soixante-dix quatre-vingt quatre-vingt-dix cent",
}
_SPELT = {word: str(number) for words in _UNITS.values() for number, word in enumerate(words.split())}
_SPELT |= {word: str(10 * tens) for words in _TENS.values() for tens, word in enumerate(words.split(), start=2)}
_SPELT |= {"thousand": "1000", "tausend": "1000", "mil": "1000", "mille": "1000", "twice": "2", "zweimal": "2"}
_SPELT |= {"ein": "1", "eine": "1", "une": "1", "una": "1", "dozen": "12"}
"""Numbers as words, as far as passages spell them: answers often write them in digits."""


class Sources:
    """The texts that an answer may repeat, prepared for looking claims up."""

    def __init__(self, texts: Iterable[str]) -> None:
        text = _plain("\n".join(texts))
        self._text = text.casefold()
        self._words = set(_WORD.findall(self._text))
        found = [match[0] for match in re.finditer(r"\d+(?:[.,:/'\u2019\u00a0\u202f -]\d+)*", text)]
        groups = {_bare(group) for number in found for group in _GROUP.findall(number)}
        spelt = {_SPELT[word] for word in self._words if word in _SPELT}
        self._numbers = {_digits(number) for number in found} | groups | spelt
        self._groups = groups | spelt

    def missing(self, text: str) -> list[str]:
        """Return the claims of a text that no source has, each once, in order."""
        plain = _LIST_NUMBER.sub(lambda match: " " * len(match[0]), _CITATION.sub("", _plain(text)))
        claims: list[str] = []
        for address in _ADDRESS.findall(plain):
            claim = address.rstrip(".,;:!?")
            if re.sub(r"^(?:https?://)?(?:www\.)?", "", claim.casefold()).rstrip("/") not in self._text:
                claims.append(claim)
        plain = _ADDRESS.sub(" ", plain)
        claims += [number for number in _NUMBER.findall(plain) if not self._has_number(number)]
        claims += [one for one in _IDENTIFIER.findall(plain) if one.casefold() not in self._text]
        claims += [name for name in _names(_FENCED.sub(" ", plain)) if not self._has_name(name)]
        unique = list(dict.fromkeys(claims))
        return [one for one in unique if not any(one != other and one in other for other in unique)]

    def _has_number(self, number: str) -> bool:
        return _digits(number) in self._numbers or all(_bare(group) in self._groups for group in _GROUP.findall(number))

    def _has_name(self, name: str) -> bool:
        return all(self._has_word(word.casefold()) for word in _WORD.findall(name) if len(word) > 1)

    def _has_word(self, word: str) -> bool:
        return word in self._words or any(_inflected(word, other) for other in self._words)


def _names(text: str) -> list[str]:
    """Return capitalized words within sentences; only pairs where, as in German, every noun is capitalized."""
    within: list[str] = []
    for match in _NAME.finditer(text):
        words = match[0].split()
        if _BEGINNING.search(text[: match.start()][-4:]):
            words = words[1:]
        if words:
            within.append(" ".join(words))
    german = len(_GERMAN & {word.casefold() for word in _WORD.findall(text)}) > 1
    return [name for name in within if " " in name or not german]


def _plain(text: str) -> str:
    """Return a text in NFKC, with the digits of all scripts as ASCII digits."""
    text = unicodedata.normalize("NFKC", text)
    if text.isascii():
        return text
    return "".join([str(unicodedata.decimal(one)) if one.isdecimal() else one for one in text])


def _digits(number: str) -> str:
    """Return a number without separators: ``1,000``, ``1.000`` and ``1 000`` are one."""
    return _bare(re.sub(r"\D", "", number))


def _bare(digits: str) -> str:
    return digits.lstrip("0") or "0"


def _inflected(word: str, other: str) -> bool:
    """Return whether two words differ in their endings only, as a name in two cases does."""
    shorter, longer = sorted((word, other), key=len)
    if len(shorter) < 4 or not 0 < len(longer) - len(shorter) <= 3:  # noqa: PLR2004  # letters of an ending
        return False
    return longer.startswith(shorter[:-1])
