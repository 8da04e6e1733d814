"""Finds tables among the rows of a page: cells below each other in columns."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, pairwise

import msgspec

from orbit.documents.formats.pdf.group_names import group_names
from orbit.documents.formats.pdf.piece import HYPHEN, SOFT_HYPHENS, Piece, breadth
from orbit.documents.formats.pdf.rows import rows_of
from orbit.documents.formats.pdf.rulings import Rule
from orbit.documents.formats.pdf.wrapping import grouped, is_number
from orbit.documents.formats.table_header import has_header

_WORDS_OF_CELL = 6
"""Cells of a table have fewer words on average. Columns of prose have more."""
_WORDS_OF_LONG_CELL = 12
"""And so many if some have several lines."""
_WORDS_OF_LINE = 3
_SAME_STEP = 1.5
"""Points by which the lines of a paragraph may be apart differently."""
_LEVEL = 0.7
_MOST_ALONE = 6
"""Rows with a single cell that follow each other."""
_ACROSS = 0.5
"""A rule that divides a table's rows is at least as long, compared with the table."""
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
    named: bool = False
    """Whether the first row is known to name the columns."""

    @property
    def width(self) -> int:
        """The number of columns."""
        return len(self.rows[0])

    @property
    def header(self) -> list[str]:
        """The first row if it looks like the names of the columns, or else nothing."""
        return self.rows[0] if self.named or has_header(self.rows) else []


class _Column(msgspec.Struct):
    left: float
    right: float
    cells: dict[int, Piece]
    """By the number of their line."""


def find_tables(rows: Sequence[list[Piece]], cuts: Sequence[Rule] = ()) -> list[Table]:
    """Return the tables of a page, given its rows from top to bottom and the lines across it."""
    tables: list[Table] = []
    end = ended = 0
    for index, row in enumerate(rows):
        if index >= end and len(row) > 1:
            columns, end = _grow(rows, index, alone=True)
            if index > max(ended, 0):
                _add_name(columns, rows[index - 1], row)
            if beside := _beside_prose(columns):
                tables += find_tables(rows_of(beside), cuts)
                continue
            table = _table(columns, cuts)
            if table is None and any(len(between) == 1 for between in rows[index:end]):
                columns, end = _grow(rows, index, alone=False)
                table = _table(columns, cuts)
            if table is not None:
                if not table.header:
                    _add_names(table, columns, rows[ended:index])
                _add_groups(table, columns, rows[ended:index])
                tables.append(table)
                ended = end
    return tables


def _add_names(table: Table, columns: Sequence[_Column], above: Sequence[Sequence[Piece]]) -> None:
    """Add the names of a table's columns, whose lines above it make no row of their own."""
    if any(map(is_number, table.rows[0])) and len(table.rows[0]) == len(columns):
        order = sorted(columns, key=lambda column: column.left)
        names: list[list[Piece]] = [[] for _ in order]
        top, step = table.top, _ROW_GAP
        for row in reversed(above[-_MOST_ALONE:]):
            places = [_place(piece, order) for piece in row]
            near = all(top - piece.bottom <= step * piece.height for piece in row)
            if not near or None in places or _CROSSING in places or any(is_number(piece.text) for piece in row):
                break
            for piece, place in zip(row, places, strict=True):
                names[place or 0].insert(0, piece)
            top, step = min(top, *(piece.top for piece in row)), _CLOSE
        if all(names):
            table.rows.insert(0, [cell_text(lines) for lines in names])
            table.pieces += chain.from_iterable(names)
            table.top, table.named = top, True


def _add_groups(table: Table, columns: Sequence[_Column], above: Sequence[Sequence[Piece]]) -> None:
    """Add the names of groups of columns, which are above those of the columns."""
    names = table.rows[0]
    if table.named or len(names) != len(columns) or any(map(is_number, names)):
        return
    spans = sorted((column.left, column.right) for column in columns)
    if (found := group_names(names, spans, table.top, above)) is not None:
        table.rows[0], pieces = found
        table.pieces += pieces
        table.top, table.named = min(piece.top for piece in pieces), True


def _add_name(columns: list[_Column], above: Sequence[Piece], row: Sequence[Piece]) -> None:
    """Add the first line of a column's name, which is alone where the names of the other columns have fewer lines."""
    piece = above[0]
    place = _place(piece, columns)
    near = row[0].top - piece.bottom <= _CLOSE * piece.height and piece.top < row[0].top
    if len(above) > 1 or not near or place is None or place == _CROSSING:
        return
    column = columns[place]
    wide = max(one.right - one.left for one in column.cells.values())
    if 0 in column.cells and piece.right - piece.left <= wide:
        _add(columns, place, piece, -1)


def _grow(rows: Sequence[list[Piece]], start: int, *, alone: bool) -> tuple[list[_Column], int]:
    """Return the columns that begin with a row, and the number of the row after them.

    ``alone``: rows between others may have a single cell.
    """
    columns: list[_Column] = []
    waiting: list[tuple[Piece, int]] = []
    height = 0
    bottom = 0.0
    for row in rows[start:]:
        gap = (min(piece.top for piece in row) if row[1:] else row[0].top) - bottom
        if height and gap > _ROW_GAP * row[0].height:
            break
        places = [_place(piece, columns) for piece in row]
        known = [place for place in places if place is not None]
        if _CROSSING in known or len(set(known)) < len(known):
            break
        if len(row) == 1:
            if not known or len(waiting) == _MOST_ALONE:
                break
            waiting.append((row[0], known[0]))
        else:
            if height and (len(known) < 2 or (waiting and not alone)):  # noqa: PLR2004  # one column alone makes no table
                break
            for number, (piece, column) in enumerate(waiting):
                _add(columns, column, piece, height + number)
            height += len(waiting) + 1
            waiting.clear()
            for piece, place in zip(row, places, strict=True):
                _add(columns, place, piece, height - 1)
        bottom = max(piece.bottom for piece in row)
    return columns, start + height + _ending(columns, waiting, height)


def _ending(columns: list[_Column], waiting: Sequence[tuple[Piece, int]], height: int) -> int:
    """Add the further lines of the last row's cells, and return how many there are."""
    bottom = max((column.cells[height - 1].bottom for column in columns if height - 1 in column.cells), default=0.0)
    for number, (piece, place) in enumerate(waiting):
        if piece.top - bottom > _CONTINUED * piece.height or height + number - 1 not in columns[place].cells:
            return number
        _add(columns, place, piece, height + number)
        bottom = piece.bottom
    return len(waiting)


def _add(columns: list[_Column], place: int | None, piece: Piece, line: int) -> None:
    if place is None:
        columns.append(_Column(piece.left, piece.right, {line: piece}))
    else:
        column = columns[place]
        column.left, column.right = min(column.left, piece.left), max(column.right, piece.right)
        column.cells[line] = piece


def _beside_prose(columns: Sequence[_Column]) -> list[Piece]:
    """Return what is beside columns of prose, if there are any."""
    prose, others = [], []
    for column in columns:
        lines = list(column.cells.values())
        if _is_prose(lines):
            prose.append([piece.top for piece in lines])
        else:
            others += lines
    tops = [piece.top for piece in others]
    return others if others and any(not _in_step(lines, tops) for lines in prose) else []


def _is_prose(lines: Sequence[Piece]) -> bool:
    """Whether lines are those of a paragraph: long, and equally far apart."""
    words = sum(piece.text.count(" ") + 1 for piece in lines)
    if len(lines) <= _FEW or words < _WORDS_OF_LINE * len(lines) or not fills_column(lines):
        return False
    steps = sorted(below.top - above.top for above, below in pairwise(lines))
    return steps[-1] - steps[0] <= _SAME_STEP


def _in_step(tops: Sequence[float], others: Sequence[float]) -> bool:
    """Whether most lines are as high on the page as some of the others."""
    level = sum(any(abs(top - other) <= _SAME_STEP for other in others) for top in tops)
    return level >= _LEVEL * min(len(tops), len(others))


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


def cell_text(lines: Sequence[Piece]) -> str:
    """Return the lines of a cell as one, with words whole that a hyphen divides."""
    text = ""
    for piece in lines:
        if text.endswith(SOFT_HYPHENS) and piece.text[:1].islower():
            text = text[:-1] + piece.text
        elif text.endswith((*SOFT_HYPHENS, "-")) and text[-2:-1].isalnum():
            text = f"{text[:-1]}-{piece.text}"
        else:
            text = f"{text} {piece.text}" if text else piece.text
    return text.replace(HYPHEN, "-")


_CROSSING = -1
_CLOSE = 0.4
"""A line of a name is at most so many heights of its text above the next one."""


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


def _table(columns: list[_Column], cuts: Sequence[Rule]) -> Table | None:
    numbers = sorted({line for column in columns for line in column.cells})
    if len(numbers) < 2 or (len(numbers) < 3 and len(columns) < 3):  # noqa: PLR2004  # two rows of two may be anything
        return None
    pieces = [piece for column in columns for piece in column.cells.values()]
    if sum(piece.text.count(" ") + 1 for piece in pieces) > _WORDS_OF_LONG_CELL * len(pieces) or all(
        fills_column(list(column.cells.values())) for column in columns
    ):
        return None
    left, right = min(column.left for column in columns), max(column.right for column in columns)
    lines = [
        {place: column.cells[line] for place, column in enumerate(columns) if line in column.cells} for line in numbers
    ]
    across = [cut.at for cut in cuts if min(cut.end, right) - max(cut.start, left) >= _ACROSS * (right - left)]
    groups = grouped(lines, across)
    cells = [
        {place: [lines[line][place] for line in group if place in lines[line]] for place in range(len(columns))}
        for group in groups
    ]
    order = _with_names(columns, cells)
    rows = [[cell_text([piece for place in places for piece in row[place]]) for places in order] for row in cells]
    filled = [cell for row in rows for cell in row if cell]
    if len(rows) < 2 or len(filled) < _FILLED * len(rows) * len(order):  # noqa: PLR2004  # no table
        return None
    most = _WORDS_OF_CELL if len(groups) == len(lines) else _WORDS_OF_LONG_CELL
    if sum(cell.count(" ") + 1 for cell in filled) > most * len(filled):
        return None
    return table_of(rows, pieces)


def _with_names(columns: Sequence[_Column], cells: Sequence[dict[int, list[Piece]]]) -> list[list[int]]:
    """Return the columns from left to right. Names that stand beside their column, such as one of numbers, join it."""
    order = sorted(range(len(columns)), key=lambda place: columns[place].left)
    names = [place for place in order if cells[0][place] and not any(row[place] for row in cells[1:])]
    joined: list[list[int]] = []
    for place in order:
        last = joined[-1][0] if joined and len(joined[-1]) == 1 else None
        if last is not None and (place in names) != (last in names) and not (cells[0][place] and cells[0][last]):
            joined[-1].append(place)
        else:
            joined.append([place])
    return joined


def table_of(rows: list[list[str]], pieces: Sequence[Piece], *, named: bool = False) -> Table:
    """Return a table with the box around its text."""
    return Table(
        rows,
        list(pieces),
        min(piece.left for piece in pieces),
        min(piece.top for piece in pieces),
        max(piece.right for piece in pieces),
        max(piece.bottom for piece in pieces),
        min(piece.line for piece in pieces),
        named,
    )


def divided(cells: Sequence[Sequence[Piece]]) -> list[list[str]]:
    """Return the rows of what has borders around it. Some tables have borders between columns only."""
    columns = {id(piece): place for place, cell in enumerate(cells) for piece in cell}
    numbers = [
        place for place, cell in enumerate(cells) if len(cell) >= _FEW and all(is_number(one.text) for one in cell)
    ]
    rows = rows_of(chain.from_iterable(cells))
    lines = [{columns[id(piece)]: piece for piece in row} for row in rows]
    several = any(len(line) < len(row) for line, row in zip(lines, rows, strict=True))
    if not numbers or several or sum(len(cell) >= _FEW for cell in cells) < 2:  # noqa: PLR2004  # one alone is a list
        return [[cell_text(list(chain.from_iterable(rows_of(cell)))) for cell in cells]]
    return [
        [cell_text([lines[line][place] for line in group if place in lines[line]]) for place in range(len(cells))]
        for group in grouped(lines)
    ]
