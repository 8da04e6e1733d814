"""Finds the parts of passages that answer a question, in any language and without a model."""

from __future__ import annotations

import itertools
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

_FENCE = re.compile(r"^\s*(?:```|~~~)")
_WHOLE_LINE = re.compile(r"^\s*(?:\||[-*+•‣◦]\s|\d{1,3}[.)]\s|#{1,6}\s|>|\t| {4})|\t|.\|.")
"""A line of a table, list, heading, quotation or code: it means something only as a whole."""
_ITEM = re.compile(r"^\s*(?:[-*+•‣◦]|\d{1,3}[.)])\s")
_CONTINUED = re.compile(r"[ \t]+\S")
_TABLE_ROW = re.compile(r"^\s*\||.\|.|\t")
_RULE = re.compile(r"^[\s|:+-]+$")
"""The line below the names of a Markdown table's columns."""
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
_ENDS_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]\\s*\\Z"
)
"""The end of a line in a script without spaces between words: Thai, Lao, Burmese, Khmer, Chinese or Japanese."""
_GRAM = 3
_WRAPPED = 50
"""A line with fewer characters was not broken for its length."""

_ASKS_CODE = re.compile(
    r"\b(?:command|setting|option|header|variable|class|hook|route|path|endpoint|parameter|file|field|method|function"
    r"|library|package|port|database|model|how (?:do|can) i|befehl|einstellung|schalter|kopfzeile|klasse|pfad|datei"
    r"|feld|funktion|bibliothek|paket|datenbank|modell|commande|réglage|paramètre|en-tête|classe|chemin|fichier|champ"
    r"|fonction|bibliothèque|paquet|modèle|comando|ajuste|opción|cabecera|clase|ruta|archivo|campo|función|biblioteca"
    r"|paquete|modelo)\b",
    re.IGNORECASE,
)
_ASKS_NUMBER = re.compile(
    r"\bhow (?:many|much|long|old|large|big|far|high|tall|soon|often)\b|\b(?:which|what) (?:port|version|code|status)\b"
    r"|\b(?:most|largest|limit|default size)\b|\bwie (?:viele?|lange|alt|groß|weit|hoch|schnell|oft)\b|\bcombien\b"
    r"|\bcuánt|\bquant[ie]\b|сколько|как (?:долго|часто)|كم|कितन|多少|多久|几|いくつ|いくら|何",
    re.IGNORECASE,
)
_KINDS = (
    (_ASKS_CODE, re.compile(r"`|--\w|\w[._/-]\w+\.?\w*\(|\$ "), 0.8),
    (_ASKS_NUMBER, re.compile(r"\d"), 1.4),
)
"""What a question asks for, what shows that a text has it, and how much that counts."""


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
        elif not prose and units and _ITEM.match(units[-1]) and _CONTINUED.match(line) and not _ITEM.match(line):
            units[-1] += line
        elif _WHOLE_LINE.search(line):
            units += [*_sentences(prose), line]
            prose = ""
        else:
            prose += line
    return [*units, *_sentences(prose), *([code] if code else [])]


def flowing(units: Sequence[str]) -> list[str]:
    """Return units with the lines of each paragraph joined. Short lines, as of addresses and verses, and code stay."""
    flown: list[str] = []
    before = ""  # the source's line so far: a line may be in several units
    for unit in units:
        if _FENCE.match(unit):
            flown.append(unit)
            before = ""
            continue
        flown.append("")
        for number, line in enumerate(unit.splitlines(keepends=True)):
            text = line
            if _is_wrapped(before) and line.strip() and (number or not _WHOLE_LINE.search(line)):
                place = -1 if number else -2  # of the line before
                flown[place] = flown[place].rstrip() + ("" if _ENDS_UNSPACED.search(before) else " ")
                text = line.lstrip()
            flown[-1] += text
            before = text if before.endswith("\n") else before + text
    return flown


def _is_wrapped(line: str) -> bool:
    """Return whether only its length broke a line."""
    whole = _TABLE_ROW.search(line) or line.startswith("#") or line.endswith(("  \n", "\\\n"))
    return line.endswith("\n") and len(line) > _WRAPPED and not whole


class Passage(msgspec.Struct, frozen=True):
    """A passage to quote from."""

    heading: str
    """The title of its source and the headings above it."""
    body: str
    confidence: float = 0.0
    """How sure the search is of it, 0 to 1."""
    likeness: float = 0.0
    """The cosine similarity of its heading to the question; 0 if unknown."""


class Quotation(msgspec.Struct, frozen=True):
    """Neighbouring units of the passage at ``place``, from 0."""

    place: int
    units: tuple[str, ...]
    score: float
    shared: float
    """The share of the question's pieces of words, weighed by how rare they are, that they or their headings have."""


_CONFIDENCE = 1.6
_RANK = 1.4
_COVERED = 2.0
_HEADING = 2.0
_COVERED_TOGETHER = 2.4
_LIKENESS = 4.0
_WHOLE = 1.3
_LENGTH = 0.9 / 500
"""What counts for a part of a passage: halfway between the logistic regressions on two sets of questions, rounded.
docs/architecture.md says which ones; bench/quality.py --answers reports the answers to two further sets.
"""

_CLOSE = 2.4
"""How much less than the best part another one may score to be quoted as well."""
_LEAST = 0.4
"""How much it must share with the question, relative to the best part."""
_ALIKE = 0.5
"""The similarity from which a heading asks the same in other words, so that its part need not share the question's."""


def quotations(question: str, passages: Sequence[Passage], longest: int, most: int) -> list[Quotation]:
    """Return the parts of passages that fit a question best, best first: one of each passage, and at most ``most``.

    A part is neighbouring units, together ``longest`` characters or less; a single unit is returned whole, however long
    it is. A part of a table begins with the table's first lines. Parts after the first one fit almost as well, and say
    something else.
    """
    found = sorted(_best_parts(question, passages, longest), key=lambda part: -part.score)
    chosen: list[Quotation] = []
    said: list[str] = []
    for part in found:
        words = f" {' '.join(_WORD.findall(''.join(part.units).casefold()))} "
        says = part.shared >= _LEAST * found[0].shared or passages[part.place].likeness >= _ALIKE
        fits = says and part.score >= found[0].score - _CLOSE
        if part is found[0] or (fits and len(chosen) < most and not any(words in one for one in said)):
            chosen.append(part)
            said.append(words)
    return chosen


def _best_parts(question: str, passages: Sequence[Passage], longest: int) -> Iterator[Quotation]:
    """Yield the best part of each passage."""
    split = [units_of(passage.body) for passage in passages]
    asked = _grams(question)
    grams = [[_grams(unit) for unit in units] for units in split]
    weights = _weights([of for units in grams for of in units])
    total = sum(weights.get(gram, 0.0) for gram in asked) or 1.0
    wanted = [(pattern, gain) for asks, pattern, gain in _KINDS if asks.search(question)]

    def share(covered: set[str]) -> float:
        return sum(weights.get(gram, 0.0) for gram in covered) / total

    for place, (passage, units) in enumerate(zip(passages, split, strict=True)):
        if not units:
            continue
        gains = [asked & of for of in grams[place]]
        shown = [[bool(pattern.search(unit)) for unit in units] for pattern, _ in wanted]
        heading = asked & _grams(passage.heading)
        whole = len(passage.body) <= longest
        general = (
            _CONFIDENCE * passage.confidence
            + _RANK / (1 + place)
            + _HEADING * share(heading)
            + _LIKENESS * passage.likeness
            + _WHOLE * whole
        )
        best: Quotation | None = None
        headers = _headers(units)
        for start, end, size in [(0, len(units), len(passage.body))] if whole else _windows(units, longest):
            header = headers[start]
            covered = set[str]().union(*gains[header], *gains[start:end])
            shared = share(covered | heading)
            score = general + _COVERED * share(covered) + _COVERED_TOGETHER * shared + _LENGTH * size
            score += sum(gain for (_, gain), of in zip(wanted, shown, strict=True) if any(of[start:end]))
            if best is None or score > best.score + 1e-9:
                best = Quotation(place, (*units[header], *units[start:end]), score, shared)
        if best is not None:
            yield best


def _windows(units: Sequence[str], longest: int) -> Iterator[tuple[int, int, int]]:
    """Yield start, end and size of all neighbouring units that fit; of each single one whether it fits or not."""
    for start in range(len(units)):
        size = 0
        for end in range(start, len(units)):
            size += len(units[end])
            if size > longest and end > start:
                break
            yield start, end + 1, min(size, longest)


def _headers(units: Sequence[str]) -> list[slice]:
    """Return for each unit where the first lines of its table are, if above it: a quotation from it shows them, too."""
    headers: list[slice] = []
    first = 0
    for number, unit in enumerate(units):
        if not (number and _TABLE_ROW.search(unit) and _TABLE_ROW.search(units[number - 1])):
            first = number
        lines = 2 if first < number and _RULE.match(units[first + 1]) else 1
        headers.append(slice(first, min(number, first + lines)))
    return headers


def _sentences(prose: str) -> list[str]:
    ends = [0, *(match.end() for match in _SENTENCE_END.finditer(prose)), len(prose)]
    parts = [prose[start:end] for start, end in itertools.pairwise(ends) if start < end]
    return [piece for part in parts for piece in re.findall(r".+?(?:\n\s*\n\s*|\Z)", part, re.DOTALL)]


def _grams(text: str) -> set[str]:
    """Return a text's character trigrams by word: endings differ, stems are shared; scripts without spaces work too."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    grams: set[str] = set()
    for word in _WORD.findall(plain):
        padded = f" {word} "
        size = 2 if any(unicodedata.category(letter) == "Lo" for letter in word) else _GRAM
        grams.update(padded[at : at + size] for at in range(len(padded) - size + 1))
    return grams


def _weights(texts: Sequence[set[str]]) -> dict[str, float]:
    """Return how much each trigram tells about a text: rare ones more."""
    counted = Counter(gram for text in texts for gram in text)
    return {gram: math.log(1 + len(texts) / count) for gram, count in counted.items()}
