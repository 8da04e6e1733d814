"""Asks PDFium where parts of a page's text are."""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import accumulate, islice, pairwise, repeat
from operator import neg
from typing import Any, TypeAlias

from orbit.documents.formats.pdf.calls import ADDRESS, NUMBER, address, quick, written

Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, right and bottom in points, as those of a Piece."""

_LINE_END = 2
"""Characters between two lines."""
_FLAT = 0.01
"""Characters of less height are in no stretch, as most spaces."""


class Boxes:
    """The text of a page, and the places of its parts."""

    def __init__(self, pdfium: Any, text: Any, count: int) -> None:
        self._text = address(text)
        self._functions = _functions(pdfium)
        units = array("H", [0]) * (2 * count + 1)
        size = self._functions.text(self._text, 0, count, units.buffer_info()[0])
        self.content = units[: size - 1].tobytes().decode("utf-16-le", "ignore")
        self._same = count == len(self.content)

    def of_lines(self, spans: Sequence[tuple[int, int]]) -> list[list[Box]]:
        """Return the boxes of the lines of the text, for each one for each stretch that the file draws at once."""
        if not spans:
            return []
        firsts, sizes = self._ranges(spans)
        counts = list(map(self._functions.count_rects, repeat(self._text), firsts, sizes))
        whole = self._functions.count_rects(self._text, firsts[0], firsts[-1] + sizes[-1] - firsts[0])
        spaces = (end for (_, end), (start, _) in pairwise(spans) if start - end > _LINE_END)
        blank = self.of_chars(list(islice(spaces, 1)))
        if whole != sum(counts) or any(bottom - top > _FLAT for _, top, _, bottom in blank):
            return self.of_parts(spans)  # a stretch goes on over the end of a line, or with a space that has a height
        found = written(self._functions.rect, whole, repeat(self._text), range(whole), width=4)
        boxes = _boxes(*found)
        return [boxes[start:end] for start, end in pairwise(accumulate(counts, initial=0))]

    def of_parts(self, spans: Sequence[tuple[int, int]]) -> list[list[Box]]:
        """Return the same of parts of lines."""
        text, count_rects, rect = self._text, self._functions.count_rects, self._functions.rect
        box = array("d", [0.0] * 4)
        start = box.buffer_info()[0]
        sides = [start + box.itemsize * side for side in range(4)]
        found = []
        for first, size in zip(*self._ranges(spans), strict=True):
            part = []
            for index in range(count_rects(text, first, size)):
                rect(text, index, *sides)
                left, top, right, bottom = box
                part.append((left, -top, right, -bottom))
            found.append(part)
        return found

    def of_chars(self, positions: Sequence[int]) -> list[Box]:
        """Return the boxes of characters."""
        numbers = self._numbers(positions)
        found = written(self._functions.char, len(numbers), repeat(self._text), numbers, width=4)
        lefts, rights, bottoms, tops = found
        return _boxes(lefts, tops, rights, bottoms)

    def angles(self, numbers: Iterable[int]) -> list[float]:
        """Return by how much characters are turned, in radians; -1 for those that are no text."""
        return list(map(self._functions.angle, repeat(self._text), numbers))

    def added(self, position: int) -> bool:
        """Return whether a character is PDFium's, such as a space between words that the file draws apart."""
        return bool(self._functions.is_generated(self._text, self._numbers([position])[0]) == 1)

    def _ranges(self, spans: Sequence[tuple[int, int]]) -> tuple[Sequence[int], list[int]]:
        """Return where parts begin, and how long they are."""
        firsts = self._numbers([start for start, _ in spans])
        lasts = self._numbers([end - 1 for _, end in spans])
        return firsts, [last - first + 1 for first, last in zip(firsts, lasts, strict=True)]

    def _numbers(self, positions: Sequence[int]) -> Sequence[int]:
        """Return PDFium's numbers of characters, which differ from their positions if it has added or omitted some."""
        return positions if self._same else list(map(self._functions.index, repeat(self._text), positions))


def _boxes(
    lefts: Iterable[float], tops: Iterable[float], rights: Iterable[float], bottoms: Iterable[float]
) -> list[Box]:
    return list(zip(lefts, map(neg, tops), rights, map(neg, bottoms), strict=True))


class _Functions:
    def __init__(self, pdfium: Any) -> None:
        self.text = quick(pdfium.FPDFText_GetText, ADDRESS, NUMBER, NUMBER, ADDRESS)
        self.index = quick(pdfium.FPDFText_GetCharIndexFromTextIndex, ADDRESS, NUMBER)
        self.is_generated = quick(pdfium.FPDFText_IsGenerated, ADDRESS, NUMBER)
        self.angle = quick(pdfium.FPDFText_GetCharAngle, ADDRESS, NUMBER, result=ctypes.c_float)
        self.count_rects = quick(pdfium.FPDFText_CountRects, ADDRESS, NUMBER, NUMBER)
        self.rect = quick(pdfium.FPDFText_GetRect, ADDRESS, NUMBER, *[ADDRESS] * 4)
        self.char = quick(pdfium.FPDFText_GetCharBox, ADDRESS, NUMBER, *[ADDRESS] * 4)


@cache
def _functions(pdfium: Any) -> _Functions:
    return _Functions(pdfium)
