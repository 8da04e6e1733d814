"""Joins the lines of a table's cells where the text of each cell is in the middle of its row, as browsers print it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import chain, pairwise

from orbit.documents.formats.pdf.piece import Piece
from orbit.documents.formats.pdf.tables import cell_text

_OVERLAP = 0.05
"""Lines of a row share at least this part of their height with the next ones: those of different rows share none."""
_MOST = 9
"""Rows of lines that make one row. Columns of prose that are not level with each other have more."""
_FEWEST = 3
"""Cells of a row."""
_ROOM = 1.5
"""Points by which rows are further apart than the lines of a cell, at least."""
_OFF = 0.3
"""Part of a line's height by which a cell may be off the middle."""


def centred(pieces: list[Piece], rows: Sequence[list[Piece]]) -> list[Piece]:
    """Return a page's text, whose rows are given, with one piece for each cell of such rows."""
    cells: dict[int, list[Piece]] = {}
    for band, room in _bands(rows):
        columns = _columns(list(chain.from_iterable(band)))
        if len(columns) >= _FEWEST and _are_level(columns, room):
            line = min(piece.line for column in columns for piece in column)
            whole = [_joined(column, line) for column in columns]
            cells.update((id(piece), whole) for piece in chain.from_iterable(columns))
    if not cells:
        return pieces
    found: list[Piece] = []
    for piece in pieces:
        whole = cells.get(id(piece), [piece])
        found += whole
        whole.clear()
    return found


def _bands(rows: Sequence[list[Piece]]) -> Iterator[tuple[list[list[Piece]], float]]:
    """Yield rows of lines that begin before the one above ends, and how far the next lines are from them."""
    bands: list[list[list[Piece]]] = []
    tops: list[float] = []
    bottoms: list[float] = []
    for row in rows:
        top, bottom = row[0].top, row[0].bottom
        for piece in row[1:]:
            top, bottom = min(top, piece.top), max(bottom, piece.bottom)
        if bands and bottoms[-1] - top >= _OVERLAP * row[0].height:
            bands[-1].append(row)
            bottoms[-1] = max(bottoms[-1], bottom)
        else:
            bands.append([row])
            tops.append(top)
            bottoms.append(bottom)
    rooms = [math.inf, *(top - bottom for bottom, top in zip(bottoms, tops[1:], strict=False)), math.inf]
    for band, above, below in zip(bands, rooms, rooms[1:], strict=False):
        if 1 < len(band) <= _MOST:
            yield band, min(above, below)


def _columns(pieces: list[Piece]) -> list[list[Piece]]:
    """Return pieces that are below each other, from left to right."""
    columns: list[list[Piece]] = []
    right = 0.0
    for piece in sorted(pieces, key=lambda piece: piece.left):
        if columns and piece.left < right:
            columns[-1].append(piece)
            right = max(right, piece.right)
        else:
            columns.append([piece])
            right = piece.right
    for column in columns:
        column.sort(key=lambda piece: piece.top)
    return columns


def _are_level(columns: Sequence[list[Piece]], room: float) -> bool:
    """Whether cells of one line and of several have the same middle, and their lines are closer than other rows."""
    several = sum(len(column) > 1 for column in columns)
    if not 0 < several < len(columns) / 2:  # more are rows beside a cell that spans them
        return False
    for column in columns:
        for before, after in pairwise(column):
            if after.top - before.top < before.height / 2 or after.top - before.bottom > room - _ROOM:
                return False
    middles = [(column[0].top + column[-1].bottom) / 2 for column in columns]
    return max(middles) - min(middles) <= _OFF * max(piece.height for piece in chain.from_iterable(columns))


def _joined(lines: Sequence[Piece], line: int) -> Piece:
    left, right = min(piece.left for piece in lines), max(piece.right for piece in lines)
    return Piece(cell_text(lines), left, lines[0].top, right, lines[-1].bottom, line)
