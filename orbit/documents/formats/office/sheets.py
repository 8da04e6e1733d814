"""Makes sections of spreadsheets. Each block of rows repeats the names of the columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Literal

from orbit.documents.formats.table_header import names_columns, names_groups
from orbit.documents.sections import Content, Section, UnreadableError
from orbit.types import MetadataValue

_CELL = " | "
_LONG = 1_000
_GAP = re.compile(r"(?: \| ){100,}")
"""So many empty cells in a row of a sheet are no columns: a few bytes can ask for 16,384 in each row."""
_MOST_CELLS = 20_000_000
"""Cells of all rows of a table together, with the empty ones: a few bytes can repeat a row, or ask for a far column."""
_FEWEST_CELLS = 10
"""A row counts as at least so many cells."""
_TITLE_CELLS = 1
"""A row with so few cells above wider ones is a title, not the header."""
_SAMPLE = 20
"""Rows of a block that show whether its first one names the columns."""

Groups = Mapping[int, Sequence[tuple[int, int]]]


class Sheets:
    """The sections of a workbook in the making."""

    def __init__(self) -> None:
        self._sections: list[Section] = []
        self.rows = 0
        """Rows with text so far."""

    def add(self, name: str, rows: Iterable[Sequence[str]], groups: Groups = MappingProxyType({})) -> None:
        """Add a sheet without its empty rows and columns.

        Its first row with more than one cell names the columns, and so does a row after an empty one that begins
        another table. ``groups`` are the first and last column, from 0, of names for several columns in a row, from 1.
        """
        header, used = "", True
        for first, lines in self._blocks(rows):
            start = 0
            if not header:
                wide = (number for number, line in enumerate(lines) if _filled(line) > _TITLE_CELLS)
                start = next(wide, len(lines))
                self._add(name, first, [line.strip(" |") for line in lines[:start]])
            if start < len(lines) and (not header or names_columns(_cells(lines[0]), [*map(_cells, lines[1:_SAMPLE])])):
                if not used:
                    self._add(name, 0, [header])
                end = start + 1
                while end < len(lines) and names_groups(
                    _cells(lines[end - 1]), _cells(lines[end]), groups.get(first + end - 1, ())
                ):
                    end += 1
                header, used = "\n".join(lines[start:end]), False
                start = end
            if start < len(lines):
                self._add(name, first + start, lines[start:], header)
                used = True
        if not used:
            self._add(name, 0, [header])

    def note(self, name: str, text: str) -> None:
        """Add text that lies over the cells of a sheet."""
        if text:
            self.rows += 1
            self._add(name, 0, [text])

    def content(self) -> Content:
        """Return the sections of all sheets."""
        return Content(tuple(self._sections))

    def _blocks(self, rows: Iterable[Sequence[str]]) -> Iterator[tuple[int, list[str]]]:
        """Yield rows without an empty one between them, with the number of the first."""
        first, lines = 0, list[str]()
        for number, row in enumerate(limited(rows), start=1):
            line = _CELL.join(" ".join(cell.split()) for cell in row).rstrip(" |")
            if len(line) > _LONG:
                line = _GAP.sub(_CELL, line)
            if line.strip(" |"):
                self.rows += 1
                first = first if lines else number
                lines.append(line)
            elif lines:
                yield first, lines
                lines = []
        if lines:
            yield first, lines

    def _add(self, name: str, row: int, lines: list[str], header: str = "") -> None:
        if not lines:
            return
        location: dict[str, MetadataValue] = {"sheet": name, **({"row": row} if row else {})}
        kind: Literal["prose", "table"] = "table" if header else "prose"
        self._sections.append(Section("\n".join(lines), (name,), metadata=location, header=header, kind=kind))


def limited(rows: Iterable[Sequence[str]]) -> Iterator[Sequence[str]]:
    """Yield the rows of a table. Raises UnreadableError at the row with which they have too many cells."""
    cells = 0
    for row in rows:
        cells += max(len(row), _FEWEST_CELLS)
        if cells > _MOST_CELLS:
            raise UnreadableError(f"has a table of more than {_MOST_CELLS:,} cells, most of them empty or repeated")
        yield row


def cell_name(row: int, column: int) -> str:
    """Return the name of a cell, such as "B2"; both count from 1."""
    letters = ""
    while column > 0:
        column, letter = divmod(column - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return f"{letters}{row}"


def _cells(line: str) -> list[str]:
    return line.split(_CELL)


def _filled(line: str) -> int:
    return sum(map(bool, _cells(line)))
