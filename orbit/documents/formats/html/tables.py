"""Reads tables of HTML: rows of cells, with cells that span several."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orbit.documents.formats.html.nodes import inline_text
from orbit.documents.formats.table_header import has_header

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

_LONGEST_CELL = 1_000
"""A table with so many characters in a cell lays out a page."""
_LONGEST_REPEATED = 200
"""Characters of a cell that is repeated in all rows that it spans."""
_MOST_SPANNED = 100
_MOST_CELLS = 1_000_000
"""A table with more cells, those that others span counted, is read as text: a few bytes can span a million."""


def read_table_of(table: LexborNode) -> tuple[list[list[str]], int] | None:
    """Return the rows of a table, and how many of them name the columns. Return None if it only lays out a page."""
    if len(table.css("table")) > 1 or table.css_first("h1, h2, h3, h4, h5, h6, form, pre") is not None:
        return None  # selectors find the table itself, too
    if table.attributes.get("role") in {"presentation", "none"}:
        return None
    rows: list[list[str]] = []
    names = size = 0
    spanning: dict[int, tuple[int, str]] = {}
    for tr in table.css("tr"):
        cells = [child for child in tr.iter() if child.tag in {"td", "th"}]
        row = _row(cells, spanning)
        size += len(row)
        if size > _MOST_CELLS:
            return None
        if any(row):
            rows.append(row)
            is_head = tr.parent is not None and tr.parent.tag == "thead"
            if names == len(rows) - 1 and cells and (is_head or all(cell.tag == "th" for cell in cells)):
                names += 1
    width = max(map(len, rows), default=0)
    if width < 2 or any(len(cell) > _LONGEST_CELL for row in rows for cell in row):  # noqa: PLR2004  # one column is a list
        return None
    if names == len(rows):
        names = 0
    return rows, names or int(has_header(rows))


def _row(cells: list[LexborNode], spanning: dict[int, tuple[int, str]]) -> list[str]:
    """Return a row's cells, with those from above that span it. ``spanning`` has them by column, with the rows left."""
    row: list[str] = []
    later: dict[int, tuple[int, str]] = {}
    for cell in (*cells, None):
        while (column := len(row)) in spanning:
            left, text = spanning.pop(column)
            row.append(text)
            if left > 1:
                later[column] = left - 1, text
        if cell is None:
            break
        text = inline_text(cell)
        down, across = _span(cell, "rowspan"), _span(cell, "colspan")
        if down > 1:
            later[len(row)] = down - 1, text[:_LONGEST_REPEATED]
            later.update((len(row) + offset, (down - 1, "")) for offset in range(1, across))
        row += [text, *[""] * (across - 1)]
    spanning.update(later)
    return row


def _span(cell: LexborNode, name: str) -> int:
    value = cell.attributes.get(name) or ""
    return min(int(value), _MOST_SPANNED) if value.isdecimal() and len(value) < 6 and int(value) else 1  # noqa: PLR2004  # no table is larger
