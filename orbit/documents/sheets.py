"""Makes sections of spreadsheets. Each block of rows repeats the names of the columns."""

from __future__ import annotations

from collections.abc import Iterable

from orbit.documents.sections import Content, Section
from orbit.types import MetadataValue

_CELL = " | "
_TITLE_CELLS = 1
"""A row with so few cells above wider ones is a title, not the header."""


class Sheets:
    """The sections of a workbook in the making."""

    def __init__(self) -> None:
        self._sections: list[Section] = []
        self.rows = 0
        """Rows with text so far."""

    def add(self, name: str, rows: Iterable[Iterable[str]]) -> None:
        """Add a sheet. Its first row with more than one cell names the columns. Empty rows and columns are left out."""
        header = ""
        block: list[str] = []
        first = 0
        for number, row in enumerate(rows, start=1):
            cells = [" ".join(cell.split()) for cell in row]
            filled = sum(map(bool, cells))
            if not filled:
                self._end(name, first, header, block)
                block = []
                continue
            self.rows += 1
            line = _CELL.join(cells).rstrip(" |")
            if not header and filled > _TITLE_CELLS:
                self._end(name, first, "", block)
                header, block = line, []
            elif not header:
                self._sections.append(Section(line.strip(" |"), (name,), metadata={"sheet": name, "row": number}))
            else:
                if not block:
                    first = number
                block.append(line)
        self._end(name, first, header, block)
        if header and not any(section.header == header and section.path == (name,) for section in self._sections[-1:]):
            self._sections.append(Section(header, (name,), metadata={"sheet": name}))

    def content(self) -> Content:
        """Return the sections of all sheets."""
        return Content(tuple(self._sections))

    def _end(self, name: str, first: int, header: str, block: list[str]) -> None:
        if block:
            location: dict[str, MetadataValue] = {"sheet": name, "row": first}
            self._sections.append(Section("\n".join(block), (name,), metadata=location, header=header, kind="table"))
