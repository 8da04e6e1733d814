"""Removes what repeats at the edges of pages: running headers, footers and page numbers."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, takewhile

from orbit.documents.formats.outline import PAGE_WORDS
from orbit.documents.formats.pdf.layout import Block
from orbit.documents.formats.pdf.piece import Piece
from orbit.documents.formats.pdf.rows import rows_of

_EDGE = 3
"""Rows at the top and at the bottom of a page that may repeat."""
_BLOCKS = 12
"""Lines and tables in these rows, at most."""
_FEWEST = 3
"""Pages with the same line, at least."""
_SHARE = 4
"""One page in so many has the line, at least: chapters have headers of their own."""
_NUMBER = re.compile(r"\d+|\b(?:[ivxlc]+|[IVXLC]+)\b")
_ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}
_PAGE = re.compile(rf"\b(?:{PAGE_WORDS})\b", re.IGNORECASE)
_IN_WORDS = re.compile(rf"{_PAGE.pattern}\s+([^\W\d_]+(?:-[^\W\d_]+)*)\b", re.IGNORECASE)
"""What may be a page's number in words, as in "Page seven"."""
_SMALL = frozenset(
    (
        *("two", "three", "four", "zwei", "drei", "vier", "deux", "trois", "quatre", "dos", "tres", "cuatro", "due"),
        *("tre", "quattro", "dois", "três", "quatro", "twee", "drie", "två", "fyra", "to", "fire", "dwa", "trzy"),
        *("cztery", "dva", "tři", "два", "три", "четыре"),
    )
)
"""Numbers in words. A document with some of them after "page" counts its pages so."""
_SENTENCE = 5
"""A sentence with more spaces is no page number, even if a number in it is that of the page."""
_NAME = 6
"""Letters of a name beside a page's number, at least."""
_LONGEST_NAME = 60
"""Characters of a chapter's name. Sentences are longer."""
_NEAR = 6.0
"""Points by which the height of a repeated line on the page may differ."""
_COUNTED, _IN_LETTERS = "\0", "\1"


def remove_furniture(pages: Sequence[Sequence[Block]]) -> list[list[Block]]:
    """Return the pages without repeated lines. A page with nothing else is empty then.

    The first page that has text under a running header keeps it: it may be all that names the document. Page numbers
    go everywhere.
    """
    if len(pages) < _FEWEST:
        return [list(blocks) for blocks in pages]
    edges = [_edges(blocks) for blocks in pages]
    repeated, names = _repeated(edges, len(pages))
    gone: set[int] = set()
    before: set[str] = set()
    for blocks, sides in zip(pages, edges, strict=True):
        for rows in sides:
            for row in takewhile(lambda row: _is_furniture(row, repeated, before, blocks), rows):  # noqa: B023  # done here
                gone.update(map(id, row))
        before = {block.text for block in chain(*sides[0], *sides[1]) if isinstance(block, Piece)}
    full = {number for number, blocks in enumerate(pages) if any(id(block) not in gone for block in blocks)}
    for places in names:
        gone.discard(next((line for number, line in places if number in full or not full), 0))
    return [[block for block in blocks if id(block) not in gone] for blocks in pages]


def _is_furniture(row: Sequence[Block], repeated: set[int], before: set[str], page: Sequence[Block]) -> bool:
    """Whether a row repeats. The chapter beside it changes; the page before has it, too, or the text below names it."""
    others = [block for block in row if id(block) not in repeated]
    return len(others) < len(row) and all(
        isinstance(block, Piece)
        and _letters(block.text) >= _NAME
        and len(block.text) <= _LONGEST_NAME
        and (block.text in before or sum(isinstance(one, Piece) and one.text == block.text for one in page) > 1)
        for block in others
    )


def _edges(blocks: Sequence[Block]) -> tuple[list[list[Block]], list[list[Block]]]:
    """Return the rows at the top and at the bottom of a page, each from the edge inwards."""
    by_place = sorted(blocks, key=lambda block: block.top)
    return rows_of(by_place[:_BLOCKS])[:_EDGE], rows_of(by_place[-_BLOCKS:])[: -_EDGE - 1 : -1]


def _repeated(
    edges: Sequence[tuple[list[list[Block]], list[list[Block]]]], pages: int
) -> tuple[set[int], list[list[tuple[int, int]]]]:
    """Return the ids of lines that other pages have at the same place, and the pages and ids of each that is a name."""
    patterns: list[dict[tuple[str, int], Piece]] = [{} for _ in edges]
    for number, rows in enumerate(edges):
        for block in chain.from_iterable(chain.from_iterable(rows)):
            if isinstance(block, Piece):
                for key in _patterns(block.text, number):
                    patterns[number].setdefault(key, block)
    count = Counter(chain.from_iterable(patterns))
    repeated: set[int] = set()
    names: list[list[tuple[int, int]]] = []
    for key in [key for key, pages_with in count.items() if pages_with >= max(_FEWEST, pages / _SHARE)]:
        pattern, _ = key
        found = [(number, page[key]) for number, page in enumerate(patterns) if key in page]
        usual = statistics.median(piece.top for _, piece in found)
        near = [(number, id(piece)) for number, piece in found if abs(piece.top - usual) < _NEAR]
        if len(near) >= _FEWEST and (_IN_LETTERS not in pattern or _count_in_words([piece for _, piece in found])):
            repeated.update(line for _, line in near)
            if _COUNTED in pattern or _IN_LETTERS in pattern:
                near = [one for one in near if _is_name(pattern) and one[1] in map(id, edges[one[0]][0][0])]
            names.append(near)
    return repeated, [places for places in names if places]


def _is_name(pattern: str) -> bool:
    """Whether a line with the page's number also names the document, as in "Staff handbook 7"."""
    return _letters(pattern) >= _NAME and not _PAGE.search(pattern)


def _letters(text: str) -> int:
    return sum(map(str.isalpha, text))


def _count_in_words(pieces: Sequence[Piece]) -> bool:
    """Whether some words after "page" are numbers, unlike those of "Page layout" and "Page setup"."""
    words = (found.group(1).lower() for piece in pieces if (found := _IN_WORDS.search(piece.text)))
    return len(_SMALL.intersection(words)) > 1


def _patterns(text: str, page: int) -> Iterator[tuple[str, int]]:
    """Yield what a line would have in common with those of other pages.

    That is the line itself, and if a number in it may count the pages, the line without it and the number's distance
    from that of the page. Nobody compares numbers in words.
    """
    yield text, 0
    if text.endswith((".", "。")) and text.count(" ") >= _SENTENCE:
        return
    for found in _NUMBER.finditer(text):
        number = int(found.group()) if found.group()[0].isdigit() and len(found.group()) < 7 else _roman(found.group())  # noqa: PLR2004  # no page has a longer one
        yield f"{text[: found.start()]}{_COUNTED}{text[found.end() :]}", number - page
    if word := _IN_WORDS.search(text):
        yield f"{text[: word.start(1)]}{_IN_LETTERS}{text[word.end(1) :]}", 0


def _roman(text: str) -> int:
    values = [_ROMAN.get(letter, 0) for letter in text.lower()]
    return sum(-value if value < after else value for value, after in zip(values, [*values[1:], 0], strict=True))
