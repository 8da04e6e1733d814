"""Splits tables between rows. Each piece repeats the header."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest

_RULE = re.compile(r"[\s|:+=-]*")
_CELLS = re.compile(r"(?<!\\)\|")


_LONGEST_NAME = 100
"""Characters of a first cell that names its row."""


def pieces_of_table(header: str, text: str, room: int) -> Iterator[tuple[str, int, str]]:
    """Yield header, number of the first row from 0, and rows, together at most ``room`` characters if possible.

    A header that takes over half the room is not repeated: each row then names the columns of its cells. A row that
    does not fit is cut between words, and each part repeats its first cell.
    """
    header = header.strip("\n")
    rows = text.removeprefix(header).strip("\n").split("\n")
    if len(header) > room // 2:
        names = _names(header)
        rows = [_record(names, row) for row in rows]
        header = ""
    gap = " | " if header else "; "
    left = room - len(header) - 1 if header else room
    kept: list[str] = []
    size = first = 0
    for number, row in enumerate(rows):
        if kept and size + len(row) + 1 > left:
            yield header, first, "\n".join(kept)
            kept, size = [], 0
        if not row.strip():
            continue
        if len(row) > left:
            name = row.removeprefix("| ").partition(gap)[0] + gap
            name = name if len(name) <= min(_LONGEST_NAME, left // 2) else ""
            for at, piece in enumerate(_words(row, left - len(name))):
                if piece:
                    yield header, number, f"{name}{piece}" if at else piece
            continue
        if not kept:
            first = number
        kept.append(row)
        size += len(row) + 1
    if kept:
        yield header, first, "\n".join(kept)


def _cells(row: str) -> list[str]:
    if row.startswith("|") or row.rstrip().endswith("|"):  # of Markdown; in other rows the first cell may be empty
        row = row.strip().removeprefix("|").removesuffix("|")
    return [cell.strip() for cell in _CELLS.split(row)]


def _names(header: str) -> list[str]:
    """Return the name of each column. A name below that of a group of columns follows it."""
    *above, names = [_cells(line) for line in header.split("\n") if not _RULE.fullmatch(line)] or [[]]
    for groups in reversed(above):
        if sum(map(bool, groups)) < 2:  # noqa: PLR2004  # one is the title of the table
            continue
        joined, group = list[str](), ""
        for name, at in zip_longest(names, groups, fillvalue=""):
            group = at or (group if name else "")
            joined.append(name if name == group else f"{group} {name}".strip())
        names = joined
    return names


def _record(names: list[str], row: str) -> str:
    """Return a row as ``name: value; name: value``; empty for the rule under a header."""
    if _RULE.fullmatch(row):
        return ""
    pairs = zip(names, _cells(row), strict=False)
    return "; ".join(f"{name}: {value}" if name else value for name, value in pairs if value) or row


def _words(row: str, room: int) -> Iterator[str]:
    """Cut a row between cells if possible, else between words, or anywhere in an endless word."""
    start = 0
    while len(row) - start > room:
        end = start + room
        for gap in ("; ", " | ", " "):
            if (found := row.rfind(gap, start + room // 2, end)) >= 0:
                end = found + len(gap)
                break
        yield row[start:end].strip()
        start = end
    yield row[start:].strip()
