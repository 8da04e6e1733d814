"""Takes the text of a page from PDFium, each piece with its place."""

from __future__ import annotations

import math
import re
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, pairwise
from typing import Any, TypeAlias

import msgspec

from orbit.documents.formats.pdf.boxes import Box, Boxes
from orbit.documents.formats.pdf.fields import values_of, with_values
from orbit.documents.formats.pdf.grids import Grid, find_grids, rules_of
from orbit.documents.formats.pdf.piece import HYPHEN, Piece
from orbit.documents.formats.pdf.repairs import closed, drawn_once, restored, without_overprints
from orbit.documents.formats.pdf.rulings import Rule, rulings

_Cut: TypeAlias = tuple[int, int, Box, Box]
"""Where a space begins and ends, and the boxes of the characters before and after it."""
_LINES = re.compile(rf"[^\r\n{HYPHEN}]*[^\s{HYPHEN}]{HYPHEN}?")
_SPACES = re.compile(r"\s+")
_WIDE = 1.5
"""A gap this many times as wide as the text is high separates columns or cells."""
_NARROW = 0.9
"""And so does one that is so wide, if the next line of a table has a gap there."""
_NEXT = 4.0
"""Lines of a table follow each other in so many of their heights."""
_AS_HIGH = 0.7
"""Characters are of one height if that of the lower one is this part of the other's, at least."""
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
            pieces = with_values(pieces, _read(pdfium, page, found)[0].pieces, values)
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


def _read(pdfium: Any, page: Any, before: Page | None = None) -> tuple[Page, int]:
    """Return a page's own text as it is drawn, and by how many quarters it must turn clockwise to be upright.

    ``before`` is the same page without the values drawn on it, which has the same borders.
    """
    from pypdfium2 import PdfiumError  # noqa: PLC0415  # see reader.py

    text = pdfium.FPDFText_LoadPage(page)
    if not text:
        raise PdfiumError("the text cannot be loaded")
    try:
        count = pdfium.FPDFText_CountChars(text)
        if count <= 0:
            return Page([]), 0
        boxes = Boxes(pdfium, text, count)
        content = closed(restored(boxes.content), boxes.added)
        lines = list(_LINES.finditer(content))
        rects = boxes.of_lines([line.span() for line in lines])
        turns = _turns(boxes, count)
        if before is not None:
            across, grids = before.across, before.grids
        elif turns or _may_have_tables(lines, rects):
            across, grids = _borders(pdfium, page, turns)
            if not turns:
                grids = [grid for grid in grids if sum(map(grid.holds, chain.from_iterable(rects))) >= _FEWEST_APART]
        else:
            across, grids = [], []
        pieces = list(_pieces(lines, rects, boxes, [] if turns else grids))
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


def _pieces(
    lines: Sequence[re.Match[str]], rects: Sequence[list[Box]], boxes: Boxes, grids: Sequence[Grid]
) -> Iterator[Piece]:
    """Yield lines in pieces: cut at wide gaps, at borders, and where the row changes."""
    spaces = [_spaces(line, own, grids) for line, own in zip(lines, rects, strict=True)]
    around = iter(boxes.of_chars([place for own in spaces for start, end in own for place in (start - 1, end)]))
    gaps = [
        [(*space, before, after) for space, before, after in zip(own, around, around, strict=False)] if own else []
        for own in spaces
    ]
    cuts_of = [
        _cuts(line, own, boxes_of, grids) if own else [] for line, own, boxes_of in zip(lines, gaps, rects, strict=True)
    ]
    _cut_alike(cuts_of, gaps, rects)
    for number, (line, own, cuts) in enumerate(zip(lines, rects, cuts_of, strict=True)):
        if not cuts:
            text = line.group().strip()
            if len(own) == 1:
                yield Piece(text, *own[0], number)
            else:
                yield Piece(drawn_once(text, own), *_around(own), number)
        else:
            yield from _parts(line, own, cuts, boxes, number)


def _parts(line: re.Match[str], rects: list[Box], cuts: Sequence[_Cut], boxes: Boxes, number: int) -> Iterator[Piece]:
    """Yield the pieces of a line that is cut at spaces."""
    left, top, right, bottom = _around(rects)
    bars = _has_bars(line.group())
    level = all(_are_level(before, after) for _, _, before, after in cuts)
    begin, end = line.span()
    ends = (end, end, (0.0, 0.0, right, 0.0), rects[0])
    stretches = [(begin, cuts[0][0]), *((cut[1], after[0]) for cut, after in pairwise((*cuts, ends)))]
    places = [[]] * len(stretches) if level else boxes.of_parts(stretches)
    for (start, stop), place, (_, _, before, after) in zip(stretches, places, (*cuts, ends), strict=True):
        box = (left, top, before[2], bottom) if level else _around(place)
        text = line.string[start:stop]
        if not bars or (text := text.strip("| ")):
            yield Piece(text, *box, number)
        left = after[0]


def _has_bars(text: str) -> bool:
    """Whether a line is a row of a table that a report draws with signs."""
    return text.startswith("|") and text.rstrip().endswith("|") and " " in text


def _are_level(one: Box, other: Box) -> bool:
    """Whether two characters are in one row: they overlap, and those of one height do so for most of it."""
    low, high = sorted((one[3] - one[1], other[3] - other[1]))
    shared = min(one[3], other[3]) - max(one[1], other[1])
    return shared > 0 and (low < _AS_HIGH * high or shared >= low / 2)


def _may_have_tables(lines: Sequence[re.Match[str]], rects: Sequence[list[Box]]) -> bool:
    """Whether it is worth the time to look for borders: cells of a table begin or end below each other."""
    begins: Counter[int] = Counter()
    begins.update(
        chain.from_iterable(
            _edges(own) for line, own in zip(lines, rects, strict=True) if own[1:] and " " in line.group()
        )
    )
    fewest = max(_FEWEST_APART, _ALIKE * begins.total() / 2)
    return any(count >= fewest for count in begins.values())


def _edges(rects: Sequence[Box]) -> set[int]:
    """Return where what may be the cells of a line begin and end, after and before gaps."""
    high = _height(rects)
    apart, short = _APART * high, _SHORT * high
    cells = [[rects[0][0], rects[0][2]]]
    for start, _, right, _ in rects[1:]:
        if start - cells[-1][1] > apart:
            cells.append([start, right])
        else:
            cells[-1][1] = right
    return {
        place
        for (left, end), (start, right) in pairwise(cells)
        if (end - left < short or right - start < short) and abs(start) < _FARTHEST and abs(right) < _FARTHEST
        for place in (round(start / _COLUMN), -round(right / _COLUMN))
    }


def _around(boxes: Sequence[Box]) -> Box:
    if not boxes:
        return 0.0, 0.0, 0.0, 0.0
    if len(boxes) == 1:
        return boxes[0]
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def _spaces(line: re.Match[str], rects: Sequence[Box], grids: Sequence[Grid]) -> Sequence[tuple[int, int]]:
    """Return the spaces at which a line may have to be cut, as starts and ends.

    Only the few lines that look uneven are worth the time that each space takes.
    """
    text = line.group()
    if " " not in text or not rects:
        return ()
    high = _height(rects)
    if not (
        rects[-1][2] - rects[0][0] > _LOOSE * high * len(text)
        or "   " in text
        or (text[:1] == "|" and _has_bars(text))
        or (rects[1:] and _uneven(rects, _WIDE * high))
        or (grids and any(grid.holds(_around(rects)) for grid in grids))
    ):
        return ()
    start, end = line.span()
    spans = (space.span() for space in _SPACES.finditer(line.string, start, end))
    return [(before, after) for before, after in spans if start < before and after < end]


def _height(rects: Sequence[Box]) -> float:
    if rects[1:]:
        return statistics.median_low([bottom - top for _, top, _, bottom in rects])
    return rects[0][3] - rects[0][1]


def _cuts(line: re.Match[str], gaps: Sequence[_Cut], rects: Sequence[Box], grids: Sequence[Grid]) -> list[_Cut]:
    """Return the spaces at which to cut a line."""
    wide = _WIDE * _height(rects)
    bars = _has_bars(line.group())
    walls = [grid for grid in grids if grid.holds(_around(rects))] if grids else ()
    return [
        (stop, following, before, after)
        for stop, following, before, after in gaps
        if after[0] - before[2] > wide
        or after[1] >= before[3]
        or after[3] <= before[1]
        or (bars and "|" in (line.string[stop - 1], line.string[following]))
        or (walls and any(grid.divides(before[2], after[0], (before[1] + before[3]) / 2) for grid in walls))
    ]


def _cut_alike(cuts: list[list[_Cut]], gaps: Sequence[list[_Cut]], rects: Sequence[Sequence[Box]]) -> None:
    """Cut lines of a table also where the next ones are cut: long names of columns leave narrow gaps between them."""
    for above, below in pairwise([number for number, own in enumerate(cuts) if own]):
        for one, other in ((above, below), (below, above)):
            high = _height(rects[one])
            near = abs(rects[one][0][1] - rects[other][0][1]) <= _NEXT * high
            if near and len(gaps[one]) > len(cuts[one]) and len(cuts[other]) > 1:
                alike = [
                    next((gap for gap in gaps[one] if _are_alike(gap, cut, _NARROW * high)), None)
                    for cut in cuts[other]
                ]
                if None not in alike:
                    cuts[one] = [gap for gap in gaps[one] if gap in cuts[one] or gap in alike]


def _are_alike(one: _Cut, other: _Cut, least: float) -> bool:
    """Whether gaps of two lines share a width, and the same column begins or ends at both."""
    (_, _, before, after), (_, _, other_before, other_after) = one, other
    return min(after[0], other_after[0]) - max(before[2], other_before[2]) >= least and (
        abs(after[0] - other_after[0]) <= _COLUMN or abs(before[2] - other_before[2]) <= _COLUMN
    )


def _uneven(boxes: Sequence[Box], wide: float) -> bool:
    _, top, right, bottom = boxes[0]
    for left, next_top, next_right, next_bottom in boxes[1:]:
        if left - right > wide or next_top >= bottom or next_bottom <= top:
            return True
        top, right, bottom = next_top, next_right, next_bottom
    return False


def _turns(boxes: Boxes, count: int) -> int:
    """Return by how many quarters the page must turn clockwise for most of its text to be upright."""
    angles = boxes.angles({count * part // _SAMPLES for part in range(_SAMPLES)})
    quarters = Counter(-round(angle / (math.pi / 2)) % 4 for angle in angles if angle >= 0)  # clockwise
    return quarters.most_common(1)[0][0] if quarters else 0


def _turned(pieces: list[Piece], turns: int) -> list[Piece]:
    """Return the pieces after ``turns`` quarters clockwise."""
    for _ in range(turns):
        for piece in pieces:
            piece.left, piece.top, piece.right, piece.bottom = -piece.bottom, piece.left, -piece.top, piece.right
    return pieces
