"""Takes the text of a page from PDFium, each piece with its place."""

from __future__ import annotations

import ctypes
import math
import re
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, TypeAlias

import msgspec

from orbit.documents.formats.pdf.fields import values_of, with_values
from orbit.documents.formats.pdf.grids import Grid, find_grids, rules_of
from orbit.documents.formats.pdf.piece import HYPHEN, Piece
from orbit.documents.formats.pdf.repairs import closed, drawn_once, restored, without_overprints
from orbit.documents.formats.pdf.rulings import Rule, rulings

_Box: TypeAlias = tuple[float, float, float, float]
_Cut: TypeAlias = tuple[int, int, _Box, _Box]
"""Where a space begins and ends, and the boxes of the characters before and after it."""
_LINES = re.compile(rf"[^\r\n{HYPHEN}]*[^\s{HYPHEN}]{HYPHEN}?")
_SPACES = re.compile(r"\s+")
_WIDE = 1.5
"""A gap this many times as wide as the text is high separates columns or cells."""
_LOOSE = 0.8
"""A line with more heights of its text to a character has wide gaps in it."""
_APART = 0.3
"""Cells are so many heights of their text apart, at least."""
_SHORT = 12.0
"""Columns of prose are wider, in heights of their text."""
_FARTHEST = 1e6
"""Points. Damaged files draw text at places that are no numbers."""
_FEWEST_APART = 3
_COLUMN = 2.0
"""Points by which cells below each other may begin apart."""
_ALIKE = 0.1
"""Part of the gaps of a page after which a column begins, at least. Words of justified lines begin anywhere."""
_SAMPLES = 7
"""Characters whose angle decides how a page is turned."""


class Page(msgspec.Struct):
    """The text of a page in the order of the file, and the borders of its tables, if it has any."""

    pieces: list[Piece]
    grids: list[Grid] = []
    across: list[Rule] = []
    """The lines across the page."""


def read_page(document: Any, number: int) -> Page:  # pypdfium2 has no types
    """Return the text of a page with the values of its form fields and its notes."""
    import pypdfium2.raw as pdfium  # type: ignore[import-untyped]  # noqa: PLC0415  # see reader.py

    with _loaded(pdfium, document, number) as page:
        found, turns = _read(pdfium, page)
        pieces = found.pieces
        values = values_of(pdfium, document, page)
        drawn = any(value.shown for value in values) and (
            pdfium.FPDFPage_Flatten(page, pdfium.FLAT_NORMALDISPLAY) == pdfium.FLATTEN_SUCCESS
        )
    if drawn:  # only a page that is loaded again has the drawn values in its text
        with _loaded(pdfium, document, number) as page:
            pieces = with_values(pieces, _read(pdfium, page)[0].pieces, values)
    elif values:
        pieces = with_values(pieces, pieces, values)
    found.pieces = _turned(pieces, turns) if turns else pieces
    return found


@contextmanager
def _loaded(pdfium: Any, document: Any, number: int) -> Iterator[Any]:
    """Load a page without pypdfium2's wrapper, whose finalizers cost as much as reading a short page."""
    from pypdfium2 import PdfiumError  # noqa: PLC0415  # see reader.py

    page, forms = pdfium.FPDF_LoadPage(document, number), document.formenv
    if not page:
        raise PdfiumError(f"page {number + 1} cannot be loaded")
    try:
        if forms:
            pdfium.FORM_OnAfterLoadPage(page, forms)
        yield page
    finally:
        if forms:
            pdfium.FORM_OnBeforeClosePage(page, forms)
        pdfium.FPDF_ClosePage(page)


def _read(pdfium: Any, page: Any) -> tuple[Page, int]:
    """Return a page's own text as it is drawn, and by how many quarters it must turn clockwise to be upright."""
    from pypdfium2 import PdfiumError  # noqa: PLC0415  # see reader.py

    text = pdfium.FPDFText_LoadPage(page)
    if not text:
        raise PdfiumError("the text cannot be loaded")
    try:
        count = pdfium.FPDFText_CountChars(text)
        if count <= 0:
            return Page([]), 0
        buffer = (ctypes.c_ushort * (2 * count + 1))()
        written = pdfium.FPDFText_GetText(text, 0, count, buffer)
        content = memoryview(buffer).cast("B")[: 2 * (written - 1)].tobytes().decode("utf-16-le", "ignore")
        boxes = _Boxes(pdfium, text, count == len(content))
        content = closed(restored(content), boxes.added)
        pieces = list(_pieces(content, boxes, ()))
        turns = _turns(pdfium, text, count)
        across, grids = _borders(pdfium, page, turns) if turns or boxes.may_have_tables else ([], [])
        if grids and not turns:
            grids = [grid for grid in grids if sum(grid.holds(_box(piece)) for piece in pieces) >= _FEWEST_APART]
            pieces = list(_pieces(content, boxes, grids)) if grids else pieces
        return Page(without_overprints(pieces), grids, across), turns
    finally:
        pdfium.FPDFText_ClosePage(text)


def _borders(pdfium: Any, page: Any, turns: int) -> tuple[list[Rule], list[Grid]]:
    """Return the lines across a page and what may be the borders of tables, where the page is upright."""
    boxes = rulings(pdfium, page)
    for _ in range(turns):
        boxes = [(-bottom, left, -top, right) for left, top, right, bottom in boxes]
    across, down = rules_of(boxes)
    return across, find_grids(across, down)


def _pieces(content: str, boxes: _Boxes, grids: Sequence[Grid]) -> Iterator[Piece]:
    for number, line in enumerate(_LINES.finditer(content)):
        start, end = line.span()
        rects = boxes.of(start, end)
        text = line.group()
        if len(rects) == 1:  # as most lines are; fewer calls save a tenth of the whole time
            left, top, right, bottom = rects[0]
            if (
                right - left <= _LOOSE * (bottom - top) * (end - start)
                and "   " not in text
                and not any(grid.holds(rects[0]) for grid in grids)
            ):
                yield Piece(text.strip(), left, top, right, bottom, number)
                continue
        walls = [grid for grid in grids if grid.holds(_around(rects))]
        cuts = _cuts(content, start, end, rects, boxes, walls)
        if not cuts:
            yield Piece(drawn_once(text.strip(), rects), *_around(rects), number)
            continue
        left, top, right, bottom = _around(rects)
        level = all(before[1] < after[3] and after[1] < before[3] for _, _, before, after in cuts)
        begin = start
        for stop, following, before, after in (*cuts, (end, end, (0.0, 0.0, right, 0.0), rects[0])):
            box = (left, top, before[2], bottom) if level else _around(boxes.of(begin, stop))
            yield Piece(content[begin:stop], *box, number)
            begin, left = following, after[0]


class _Boxes:
    """Places of parts of a page's text."""

    def __init__(self, pdfium: Any, text: Any, same: bool) -> None:
        self.begins: Counter[int] = Counter()
        """Places after gaps in lines, and how many lines have each: cells of a table begin or end below each other."""
        self._text = text
        self._same = same
        self._index_of = pdfium.FPDFText_GetCharIndexFromTextIndex
        self._is_generated = pdfium.FPDFText_IsGenerated
        self._count, self._rect, self._char = (
            pdfium.FPDFText_CountRects,
            pdfium.FPDFText_GetRect,
            pdfium.FPDFText_GetCharBox,
        )
        left, top, right, bottom = self._sides = tuple(ctypes.c_double() for _ in range(4))
        self._by_rect = [ctypes.byref(side) for side in (left, top, right, bottom)]
        self._by_char = [ctypes.byref(side) for side in (left, right, bottom, top)]

    def note_columns(self, rects: Sequence[_Box], high: float) -> None:
        """Note where what may be the cells of a line begin and end."""
        apart, short = _APART * high, _SHORT * high
        cells = [[rects[0][0], rects[0][2]]]
        for start, _, right, _ in rects[1:]:
            if start - cells[-1][1] > apart:
                cells.append([start, right])
            else:
                cells[-1][1] = right
        places = {
            place
            for (left, end), (start, right) in pairwise(cells)
            if (end - left < short or right - start < short) and abs(start) < _FARTHEST and abs(right) < _FARTHEST
            for place in (round(start / _COLUMN), -round(right / _COLUMN))
        }
        self.begins.update(places)

    @property
    def may_have_tables(self) -> bool:
        """Whether it is worth the time to look for borders."""
        fewest = max(_FEWEST_APART, _ALIKE * self.begins.total() / 2)
        return any(count >= fewest for count in self.begins.values())

    def of(self, start: int, end: int) -> list[_Box]:
        """Return the boxes of a part of the text, one for each stretch that the file draws at once."""
        first, count = start, end - start
        if not self._same:
            first = self._index(start)
            count = self._index(end - 1) - first + 1
        text, rect, sides = self._text, self._rect, self._by_rect
        left, top, right, bottom = self._sides
        found = []
        for index in range(self._count(text, first, count)):
            rect(text, index, *sides)
            found.append((left.value, -top.value, right.value, -bottom.value))
        return found

    def of_char(self, position: int) -> _Box:
        """Return the box of one character."""
        self._char(self._text, position if self._same else self._index(position), *self._by_char)
        left, top, right, bottom = self._sides
        return left.value, -top.value, right.value, -bottom.value

    def added(self, position: int) -> bool:
        """Return whether a character is PDFium's, such as a space between words that the file draws apart."""
        return bool(self._is_generated(self._text, position if self._same else self._index(position)) == 1)

    def _index(self, position: int) -> int:
        """Return PDFium's number of a character, which differs from its position if it has added or omitted some."""
        return int(self._index_of(self._text, position))


def _box(piece: Piece) -> _Box:
    return piece.left, piece.top, piece.right, piece.bottom


def _around(boxes: Sequence[_Box]) -> _Box:
    if not boxes:
        return 0.0, 0.0, 0.0, 0.0
    if len(boxes) == 1:
        return boxes[0]
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def _cuts(
    content: str, start: int, end: int, rects: Sequence[_Box], boxes: _Boxes, walls: Sequence[Grid]
) -> list[_Cut]:
    """Return the spaces at which to cut a line: wide gaps, borders, and those where the row changes.

    Only the few lines that look uneven are worth the time that each space takes.
    """
    if not rects or content.find(" ", start, end) < 0:
        return []
    high = (
        statistics.median_low([bottom - top for _, top, _, bottom in rects]) if rects[1:] else rects[0][3] - rects[0][1]
    )
    wide = _WIDE * high
    if rects[1:]:
        boxes.note_columns(rects, high)
    if (
        not walls
        and rects[-1][2] - rects[0][0] <= _LOOSE * high * (end - start)
        and (not rects[1:] or not _uneven(rects, wide))
        and content.find("   ", start, end) < 0
    ):
        return []
    cuts: list[_Cut] = []
    for space in _SPACES.finditer(content, start, end):
        stop, following = space.span()
        if start < stop and following < end:
            before, after = boxes.of_char(stop - 1), boxes.of_char(following)
            if _uneven((before, after), wide) or any(
                grid.divides(before[2], after[0], (before[1] + before[3]) / 2) for grid in walls
            ):
                cuts.append((stop, following, before, after))
    return cuts


def _uneven(boxes: Sequence[_Box], wide: float) -> bool:
    _, top, right, bottom = boxes[0]
    for left, next_top, next_right, next_bottom in boxes[1:]:
        if left - right > wide or next_top >= bottom or next_bottom <= top:
            return True
        top, right, bottom = next_top, next_right, next_bottom
    return False


def _turns(pdfium: Any, text: Any, count: int) -> int:
    """Return by how many quarters the page must turn clockwise for most of its text to be upright."""
    angles = [pdfium.FPDFText_GetCharAngle(text, count * part // _SAMPLES) for part in range(_SAMPLES)]
    quarters = Counter(-round(angle / (math.pi / 2)) % 4 for angle in angles if angle >= 0)  # clockwise
    return quarters.most_common(1)[0][0] if quarters else 0


def _turned(pieces: list[Piece], turns: int) -> list[Piece]:
    """Return the pieces after ``turns`` quarters clockwise."""
    for _ in range(turns):
        for piece in pieces:
            piece.left, piece.top, piece.right, piece.bottom = -piece.bottom, piece.left, -piece.top, piece.right
    return pieces
