"""Reads tables whose cells have borders: text belongs to the cell that it is drawn in."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple, TypeAlias

from orbit.documents.formats.pdf.boxes import Box
from orbit.documents.formats.pdf.piece import Piece
from orbit.documents.formats.pdf.rows import rows_of
from orbit.documents.formats.pdf.rulings import THIN, Rule
from orbit.documents.formats.pdf.tables import Table, cell_text, divided, table_of

_NEAR = 3.0
"""Points by which borders may miss each other."""
_MOST = 500
"""Lines of a direction that may be borders. Drawings have more."""
_MOST_CELLS = 5_000
_COVERED = 0.5
"""Part of a cell's side that has a border, at least; otherwise the cell is one with its neighbour."""
_FILLED = 0.3
"""Part of the cells that hold text, at least. Charts and forms to fill in hold less."""
_WORDS_OF_CELL = 40
"""Boxes around prose have more words on average."""
_LONGEST_SPAN = 400
"""Characters of a cell that is repeated in all rows that it spans."""


_Cell: TypeAlias = tuple[int, int]


class Grid(NamedTuple):
    """Borders that touch each other, from top to bottom and from left to right."""

    across: Sequence[Rule]
    down: Sequence[Rule]
    tops: list[float]
    """The borders of rows, from top to bottom."""
    lefts: list[float]

    def holds(self, box: Box) -> bool:
        """Whether the middle of a box is inside."""
        x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        return self.lefts[0] <= x <= self.lefts[-1] and self.tops[0] <= y <= self.tops[-1]

    def divides(self, left: float, right: float, y: float) -> bool:
        """Whether a border is between two places of a line of text."""
        return any(rule.start <= y <= rule.end for rule in _between(self.down, left - 1, right + 1))


def rules_of(boxes: Iterable[Box]) -> tuple[list[Rule], list[Rule]]:
    """Return the lines across a page and those down it, each as long as all its parts together."""
    across: list[Rule] = []
    down: list[Rule] = []
    for left, top, right, bottom in boxes:
        if bottom - top <= THIN and right - left > bottom - top:
            across.append(Rule((top + bottom) / 2, left, right))
        elif right - left <= THIN:
            down.append(Rule((left + right) / 2, top, bottom))
    return _joined(across), _joined(down)


def find_grids(across: Sequence[Rule], down: Sequence[Rule]) -> list[Grid]:
    """Return what may be tables: lines across and down that touch, with at least two rows of two cells."""
    if not across or not down or len(across) > _MOST or len(down) > _MOST:
        return []
    across, down = sorted(across), sorted(down)
    groups: list[tuple[set[int], list[Rule]]] = []
    for one in down:
        first, last = _reach(across, one.start - _NEAR, one.end + _NEAR)
        touched, own = {number for number in range(first, last) if _touch(across[number], one)}, [one]
        others = []
        for group in groups:
            if group[0] & touched:
                touched |= group[0]
                own += group[1]
            else:
                others.append(group)
        groups = [*others, (touched, own)]
    grids = (_grid([across[number] for number in sorted(touched)], sorted(own)) for touched, own in groups)
    return [grid for grid in grids if grid is not None]


def table_in(grid: Grid, pieces: Sequence[Piece]) -> Table | None:
    """Return the table that the text in a grid makes, if it makes one."""
    height, width = len(grid.tops) - 1, len(grid.lefts) - 1
    owners: dict[_Cell, _Cell] = {}
    for row in range(height):
        for column in range(width):
            owners[row, column] = _owner(grid, row, column, owners)
    lines: dict[_Cell, list[Piece]] = {}
    for piece in pieces:
        lines.setdefault(owners[_place(grid, piece)], []).append(piece)
    texts = {cell: cell_text(list(chain.from_iterable(rows_of(in_cell)))) for cell, in_cell in lines.items()}
    if len(texts) < _FILLED * len(set(owners.values())):
        return None
    if sum(text.count(" ") + 1 for text in texts.values()) > _WORDS_OF_CELL * len(texts):
        return None
    names = _names(texts, owners, height, width)
    rows = [names] if names else []
    for row in range(2 if names else 0, height):
        own = [owners[row, column] for column in range(width)]
        if all(above == row for above, _ in own) and len(set(own)) == width:
            rows += divided([lines.get(cell, []) for cell in own])
        else:
            rows.append([_shown(texts, cell, row, column) for column, cell in enumerate(own)])
    columns = [column for column in range(width) if any(row[column] for row in rows)]
    rows = [[row[column] for column in columns] for row in rows if any(row)]
    return table_of(rows, pieces, named=bool(names)) if len(rows) > 1 and len(columns) > 1 else None


def title_row(grid: Grid) -> Grid | None:
    """Return a grid without its first row if that is a single cell, or else None."""
    if len(grid.tops) < 4 or any(_has_side(grid.down, at, grid.tops[0], grid.tops[1]) for at in grid.lefts[1:-1]):  # noqa: PLR2004  # a title and two rows
        return None
    return grid._replace(tops=grid.tops[1:])


def _names(texts: dict[_Cell, str], owners: dict[_Cell, _Cell], height: int, width: int) -> list[str]:
    """Return the names of columns in two rows, of which the first names groups of columns; nothing for other tables."""
    top = [owners[0, column] for column in range(width)]
    if height < 3 or len(set(top)) == width:  # noqa: PLR2004  # two rows of names above nothing
        return []
    below = [owners[1, column] for column in range(width)]
    pairs = zip(top, below, strict=True)
    return [" ".join(dict.fromkeys(filter(None, (texts.get(one), texts.get(other))))) for one, other in pairs]


def _shown(texts: dict[_Cell, str], cell: _Cell, row: int, column: int) -> str:
    """Return what a row shows of a cell: one that spans several rows is in each, as its readers see it."""
    text = texts.get(cell, "")
    repeated = cell[0] != row and len(text) > _LONGEST_SPAN
    return "" if cell[1] != column or repeated else text


def _place(grid: Grid, piece: Piece) -> _Cell:
    row = bisect_right(grid.tops, (piece.top + piece.bottom) / 2) - 1
    column = bisect_right(grid.lefts, min(piece.left + 2, (piece.left + piece.right) / 2)) - 1
    return min(max(row, 0), len(grid.tops) - 2), min(max(column, 0), len(grid.lefts) - 2)


def _owner(grid: Grid, row: int, column: int, owners: dict[_Cell, _Cell]) -> _Cell:
    """Return the first row and column of a cell that may span several."""
    top, bottom = grid.tops[row], grid.tops[row + 1]
    left, right = grid.lefts[column], grid.lefts[column + 1]
    if column and not _has_side(grid.down, left, top, bottom):
        return owners[row, column - 1]
    if row and not _has_side(grid.across, top, left, right):
        return owners[row - 1, column]
    return row, column


def _between(rules: Sequence[Rule], first: float, last: float) -> Sequence[Rule]:
    """Return the rules between two places, given rules in order."""
    return rules[slice(*_reach(rules, first, last))]


def _reach(rules: Sequence[Rule], first: float, last: float) -> tuple[int, int]:
    """Return where the rules between two places begin and end in their order."""
    return bisect_left(rules, (first,)), bisect_right(rules, (last, math.inf))


def _has_side(rules: Sequence[Rule], at: float, start: float, end: float) -> bool:
    covered = sum(
        max(0.0, min(end, rule.end) - max(start, rule.start)) for rule in _between(rules, at - _NEAR, at + _NEAR)
    )
    return covered >= _COVERED * (end - start)


def _grid(across: Sequence[Rule], down: Sequence[Rule]) -> Grid | None:
    if not across:
        return None
    tops = _places([rule.at for rule in across], [rule.start for rule in down], [rule.end for rule in down])
    lefts = _places([rule.at for rule in down], [rule.start for rule in across], [rule.end for rule in across])
    if len(tops) < 3 or len(lefts) < 3 or len(tops) * len(lefts) > _MOST_CELLS:  # noqa: PLR2004  # one row or column
        return None
    return Grid(across, down, tops, lefts)


def _places(borders: Sequence[float], starts: Sequence[float], ends: Sequence[float]) -> list[float]:
    """Return where borders are, with the sides that a table leaves open: there its other borders end."""
    found: list[float] = []
    for at in sorted((*borders, min(starts), max(ends))):
        if not found or at - found[-1] > _NEAR:
            found.append(at)
    return found


def _touch(across: Rule, down: Rule) -> bool:
    return across.start - _NEAR <= down.at <= across.end + _NEAR


def _joined(rules: list[Rule]) -> list[Rule]:
    """Join lines that continue each other: programs draw a border for each cell."""
    joined: list[Rule] = []
    rules.sort()
    row: list[Rule] = []
    for rule in rules:
        if row and rule.at - row[0].at > THIN / 2:
            joined += _in_line(row)
            row = []
        row.append(rule)
    return [*joined, *_in_line(row)] if row else joined


def _in_line(rules: list[Rule]) -> list[Rule]:
    rules.sort(key=lambda rule: rule.start)
    joined = [rules[0]]
    for rule in rules[1:]:
        last = joined[-1]
        if rule.start <= last.end + _NEAR:
            joined[-1] = last._replace(end=max(last.end, rule.end))
        else:
            joined.append(rule)
    return joined
