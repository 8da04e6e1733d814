"""Puts the pieces of a page into reading order, by where they are on the page."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TypeAlias

from orbit.documents.formats.pdf.centred import centred
from orbit.documents.formats.pdf.grids import Grid, table_in, title_row
from orbit.documents.formats.pdf.line_numbers import without_line_numbers
from orbit.documents.formats.pdf.piece import Piece, breadth
from orbit.documents.formats.pdf.rows import SAME_ROW, rows_of
from orbit.documents.formats.pdf.rulings import Rule
from orbit.documents.formats.pdf.tables import Table, fills_column, find_tables

Block: TypeAlias = Piece | Table
_Spans: TypeAlias = list[tuple[float, float]]
_EVERYWHERE: _Spans = [(-math.inf, math.inf)]

_GUTTER = 5.0
"""Points between two columns of text, at least."""
_SPLIT_LINES = 3
"""So many lines with a wide gap, outside tables, show that the file draws columns side by side."""
_MOST = 5_000
"""Pieces of a page to put into order. Maps may have more."""
_DEEPEST = 20
"""Columns within columns."""
_SIGNS = "-=+"
_DRAWN = re.compile(r"[-=+]{8,}(?:[ |+]+[-=+]{2,})*")
"""A line that reports draw with signs, between the rows of tables."""
_LONG_WORD = 10
"""Letters of a word in languages that join them."""
_WORDS_OF_PROSE = 3
"""Lines of prose have at least as many words on average. Shorter ones read row by row, as labels and values do."""


def arrange(pieces: Sequence[Piece], grids: Sequence[Grid] = (), cuts: Sequence[Rule] = ()) -> list[Block]:
    """Return lines and tables in reading order.

    The file's own order stays where it goes down the page, column by column: it knows more than the places tell.
    ``grids`` are the borders on the page, and ``cuts`` its lines across.
    """
    pieces = without_line_numbers(pieces)
    upright: list[Piece] = []
    other: list[Piece] = []
    for piece in pieces:
        (upright if piece.upright else other).append(piece)
    if (not grids and _is_single(upright)) or len(upright) > _MOST:
        return [*upright, *other]
    tables = [table for grid in grids if (table := _bordered(grid, upright)) is not None]
    inside = {id(piece) for table in tables for piece in table.pieces}
    alone = [piece for piece in upright if id(piece) not in inside]
    rows = rows_of(alone)
    outside = centred(alone, rows)
    lines_drawn = [piece for piece in outside if piece.text[:1] in _SIGNS and _DRAWN.fullmatch(piece.text)]
    if lines_drawn:
        drawn = {id(piece) for piece in lines_drawn}
        outside = [piece for piece in outside if id(piece) not in drawn]
    tables += find_tables(rows if outside is alone else rows_of(outside), cuts)
    inside.update(id(piece) for table in tables for piece in table.pieces)
    outside += [one for one in lines_drawn if not any(table.top < one.top < table.bottom for table in tables)]
    free = [piece for piece in outside if id(piece) not in inside]
    lines = _joined(free)
    blocks: list[Block] = sorted([*lines, *tables], key=lambda block: block.line)
    if len(free) - len(lines) >= _SPLIT_LINES or not _goes_down(blocks):
        blocks = _by_place([*free, *tables])
    return [*blocks, *other]


def _is_single(pieces: Sequence[Piece]) -> bool:
    """Whether pieces are one column of lines, from top to bottom."""
    return all(
        after.top >= before.bottom
        or (
            after.top > before.top
            and after.bottom > before.bottom
            and after.line > before.line
            and before.bottom - after.top < SAME_ROW * min(before.height, after.height)
        )
        for before, after in pairwise(pieces)
    )


def _bordered(grid: Grid, pieces: Sequence[Piece]) -> Table | None:
    """Return the table that a grid holds. A row above it that is one cell is its title, and no part of it."""
    while (below := title_row(grid)) is not None:
        grid = below
    inner = [piece for piece in pieces if grid.holds((piece.left, piece.top, piece.right, piece.bottom))]
    return table_in(grid, inner) if inner else None


def _joined(pieces: Sequence[Piece]) -> list[Piece]:
    """Join the pieces of each line. Values of a form are in one line for PDFium even where they are far apart."""
    lines: list[Piece] = []
    for piece in pieces:
        last = lines[-1] if lines else piece
        apart = max(last.top, piece.top) - min(last.bottom, piece.bottom)
        if lines and last.line == piece.line and apart < last.height:
            text = f"{last.text} {piece.text}"
            box = min(last.left, piece.left), min(last.top, piece.top), max(last.right, piece.right), piece.bottom
            lines[-1] = Piece(text, *box, piece.line)
        else:
            lines.append(piece)
    return lines


def _goes_down(blocks: Sequence[Block]) -> bool:
    """Whether each block is below the one before, or to the right of it in the same row or a next column."""
    return all(
        after.top > before.top or after.left >= before.right - _GUTTER or after.bottom > before.bottom
        for before, after in pairwise(blocks)
    )


def _by_place(blocks: Sequence[Block], depth: int = 0) -> list[Block]:
    """Sort by place: row by row, but columns of prose one after the other."""
    ordered: list[Block] = []
    for run in _runs(rows_of(blocks)):
        gutter = _gutter(_free(run))
        if gutter is None or depth == _DEEPEST or not _is_prose(run, gutter):
            ordered += [block for row in run for block in row]
        else:
            ordered += _by_place([block for row in run for block in row if block.right <= gutter], depth + 1)
            ordered += _by_place([block for row in run for block in row if block.right > gutter], depth + 1)
    return ordered


def _runs(rows: Sequence[list[Block]]) -> Iterator[list[list[Block]]]:
    """Divide rows, top to bottom, where a gutter between columns begins or ends."""
    run: list[list[Block]] = []
    free = _EVERYWHERE
    for row in rows:
        own = _free([row]) if len(row) > 1 else [(-math.inf, row[0].left), (row[0].right, math.inf)]
        both = _common(free, own)
        if run and _gutter(both) is None and (_gutter(free) is not None or _gutter(own) is not None):
            yield run
            run, both = [], own
        run.append(row)
        free = both
    if run:
        yield run


def _free(rows: Sequence[list[Block]]) -> _Spans:
    """Return what no block covers of the width, from left to right."""
    free, start = [], -math.inf
    for block in sorted((block for row in rows for block in row), key=lambda block: block.left):
        if block.left > start:
            free.append((start, block.left))
        start = max(start, block.right)
    return [*free, (start, math.inf)]


def _common(one: _Spans, other: _Spans) -> _Spans:
    """Return what both leave free. Each has its spans from left to right."""
    common = []
    index = place = 0
    while index < len(one) and place < len(other):
        left, right = one[index]
        start, end = other[place]
        low, high = left if left > start else start, right if right < end else end  # noqa: FURB136  # twice as fast
        if high - low >= _GUTTER:
            common.append((low, high))
        if right < end:
            index += 1
        else:
            place += 1
    return common


def _gutter(free: _Spans) -> float | None:
    """Return where the first free span between two columns ends, if there is one."""
    if len(free) < 3:  # noqa: PLR2004  # what is left and right of all
        return None
    inner = (end for start, end in free if start > -math.inf and end < math.inf and end - start >= _GUTTER)
    return next(inner, None)


def _is_prose(rows: Sequence[list[Block]], gutter: float) -> bool:
    pieces = [block for row in rows for block in row if isinstance(block, Piece)]
    first = [piece for piece in pieces if piece.right <= gutter]
    many = sum(_words(piece.text) for piece in pieces) >= _WORDS_OF_PROSE * len(pieces)
    return len(rows) > 1 and (many or (len(first) > 0 and fills_column(first)))


def _words(text: str) -> int:
    """Return about how many words a line has, also in languages with long ones, or without spaces between them."""
    return max(text.count(" ") + 1, breadth(text) // _LONG_WORD)
