"""Finds tables among the rows of a page: cells below each other in columns."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from orbit.documents.formats.pdf.piece import SOFT_HYPHENS, Piece, breadth
from orbit.documents.formats.table_header import has_header

_WORDS_OF_CELL = 6
"""Cells of a table have fewer words on average. Columns of prose have more."""
_FILLED = 0.5
"""Part of a table's cells that hold text, at least."""
_ROW_GAP = 2.5
"""Rows further apart than this many heights of their text belong to different tables."""
_FULL = 0.75
"""A line of prose is at least so wide, compared with its column."""
_MOSTLY = 0.6
"""Part of the lines of a column of prose that are full."""
_BROKEN = 0.75
"""Part of the lines of a column of prose that end where the next word no longer fits."""
_FEW = 3
"""So few lines may be as long as their column by chance."""
_LINE = 20
"""Characters of a full line of prose, at least. A letter of Chinese or Japanese counts twice."""
_CONTINUED = 0.6
"""A cell's further lines are at most this many heights of their text below it."""


class Table(msgspec.Struct):
    """Rows of cells, all equally long; a missing cell is empty. The box is in points, like that of a Piece."""

    rows: list[list[str]]
    pieces: list[Piece]
    left: float
    top: float
    right: float
    bottom: float
    line: int

    @property
    def width(self) -> int:
        """The number of columns."""
        return len(self.rows[0])

    @property
    def header(self) -> list[str]:
        """The first row if it looks like the names of the columns, or else nothing."""
        return self.rows[0] if has_header(self.rows) else []


class _Column(msgspec.Struct):
    left: float
    right: float
    cells: dict[int, list[Piece]]
    """Lines of each row's cell, by the number of the row."""


def find_tables(rows: Sequence[list[Piece]]) -> list[Table]:
    """Return the tables of a page, given its rows from top to bottom."""
    tables: list[Table] = []
    end = 0
    for index, row in enumerate(rows):
        if index >= end and len(row) > 1:
            table, end = _grow(rows, index)
            if table is not None:
                tables.append(table)
    return tables


def _grow(rows: Sequence[list[Piece]], start: int) -> tuple[Table | None, int]:
    """Return the table that begins with a row, if there is one, and the number of the row after it."""
    columns: list[_Column] = []
    height = 0
    bottom = 0.0
    end = start
    for row in rows[start:]:
        gap = row[0].top - bottom
        if height and gap > _ROW_GAP * row[0].height:
            break
        places = [_place(piece, columns) for piece in row]
        known = [place for place in places if place is not None]
        if _CROSSING in known or len(set(known)) < len(known):
            break
        if len(row) == 1:
            if not known or gap > _CONTINUED * row[0].height or height - 1 not in columns[known[0]].cells:
                break
            columns[known[0]].cells[height - 1].append(row[0])
        else:
            if height and len(known) < 2:  # noqa: PLR2004  # one column alone makes no table
                break
            for piece, place in zip(row, places, strict=True):
                if place is None:
                    columns.append(_Column(piece.left, piece.right, {height: [piece]}))
                else:
                    column = columns[place]
                    column.left, column.right = min(column.left, piece.left), max(column.right, piece.right)
                    column.cells[height] = [piece]
            height += 1
        bottom = max(piece.bottom for piece in row)
        end += 1
    return _table(columns, height), end


def fills_column(lines: Sequence[Piece]) -> bool:
    """Whether lines fill their column, as those of a newspaper do, or break before words too long for them."""
    width = max(piece.right for piece in lines) - min(piece.left for piece in lines)
    long = [breadth(piece.text) for piece in lines]
    full = sum(
        piece.right - piece.left >= _FULL * width and size >= _LINE for piece, size in zip(lines, long, strict=True)
    )
    if full >= _MOSTLY * len(lines):
        return True
    broken = 0
    for piece, size, after in zip(lines, long, lines[1:], strict=False):
        word = len(after.text.partition(" ")[0]) + 1
        letter = (piece.right - piece.left) / size
        broken += piece.right - piece.left + word * letter >= width and size + word >= _LINE
    return len(lines) > _FEW and broken >= _BROKEN * (len(lines) - 1)


def _text(lines: Sequence[Piece]) -> str:
    """Return the lines of a cell as one, with words whole that a hyphen divides."""
    text = ""
    for piece in lines:
        if text.endswith(SOFT_HYPHENS) and piece.text[:1].islower():
            text = text[:-1] + piece.text
        else:
            text = f"{text} {piece.text}" if text else piece.text
    return text


_CROSSING = -1


def _place(piece: Piece, columns: Sequence[_Column]) -> int | None:
    """Return the number of the column that a piece is in, None for none, or _CROSSING if it is in several."""
    place = None
    left, right = piece.left, piece.right
    for number, column in enumerate(columns):
        if left < column.right and right > column.left:
            if place is not None:
                return _CROSSING
            place = number
    return place


def _table(columns: list[_Column], height: int) -> Table | None:
    if height < 2 or (height < 3 and len(columns) < 3):  # noqa: PLR2004  # two rows of two may be anything
        return None
    columns.sort(key=lambda column: column.left)
    rows = [[_text(column.cells.get(row, ())) for column in columns] for row in range(height)]
    cells = [cell for row in rows for cell in row if cell]
    if len(cells) < _FILLED * height * len(columns):
        return None
    if sum(cell.count(" ") + 1 for cell in cells) > _WORDS_OF_CELL * len(cells) or all(
        fills_column([piece for lines in column.cells.values() for piece in lines]) for column in columns
    ):
        return None
    pieces = [piece for column in columns for lines in column.cells.values() for piece in lines]
    return Table(
        rows,
        pieces,
        min(piece.left for piece in pieces),
        min(piece.top for piece in pieces),
        max(piece.right for piece in pieces),
        max(piece.bottom for piece in pieces),
        min(piece.line for piece in pieces),
    )
