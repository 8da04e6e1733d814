"""Tells whether a table without marked headers has one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import zip_longest

_DIGITS = re.compile(r"\d+")
_YEAR = re.compile(r"(?:19|20)\d\d")
_WORD = re.compile(r"[^\W\d_]{3,}")
_LONG = 10
"""Digits of a number that counts nothing."""
_SAMPLE = 50
"""Rows to look at."""


def has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row looks like the names of the columns: no cell of it is empty or has a digit.

    Words above numbers may have one, as in "10 or more". Two columns are often names and values, so that only digits
    below the first row show what it is.
    """
    if len(rows) < 2:  # noqa: PLR2004  # names above nothing
        return False
    names, *rest = rows
    if not all(names) or any(map(_is_value, names, zip(*rest, strict=False))):
        return False
    return len(names) > 2 or any(map(_has_digit, rest))  # noqa: PLR2004  # see above


def _is_value(name: str, below: Sequence[str]) -> bool:
    """Whether a cell in the first row may be a value, given those below it."""
    if not _has_digit((name,)):
        return False
    return not _WORD.search(name) or not all(map(_is_number, filter(None, below[:_SAMPLE])))


def _has_digit(cells: Sequence[str]) -> bool:
    return any(character.isdigit() for cell in cells for character in cell)


def names_columns(row: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether a row in the middle of a sheet begins another table: names of columns above numbers."""
    names = [cell for cell in row if cell]
    if len(names) < 2 or len(set(names)) < len(names):  # noqa: PLR2004  # one is a title
        return False
    if any(_is_number(name) and not _YEAR.fullmatch(name) for name in names):
        return False
    return any(_is_number(cell) for cells in below[:_SAMPLE] for name, cell in zip(row, cells, strict=False) if name)


def names_groups(above: Sequence[str], row: Sequence[str], groups: Sequence[tuple[int, int]]) -> bool:
    """Whether a row names the columns of ``groups``, which have one name together above: first and last, from 0.

    Columns outside of the groups are named in one of the two rows.
    """
    inside = {column for first, last in groups for column in range(first, last + 1)}
    pairs = enumerate(zip_longest(above, row, fillvalue=""))
    outside = [pair for column, pair in pairs if column not in inside and any(pair)]
    divided = any(any(row[first + 1 : last + 1]) for first, last in groups)
    return divided and bool(outside) and all(name == below or not (name and below) for name, below in outside)


def is_record(row: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether the first row of a table is a record like those below: it has no names of columns.

    A date or a decimal number shows it if all below it are written alike, and so does a count from above.
    """
    for column, cell in enumerate(row):
        others = [cells[column] for cells in below[:_SAMPLE] if len(cells) > column and cells[column]]
        if len(others) < 2 or not _is_number(cell):  # noqa: PLR2004  # one may look alike by chance
            continue
        form = _DIGITS.sub("9", cell)
        if form != "9" and all(_DIGITS.sub("9", other) == form for other in others):
            return True
        counted = column == 0 and cell.isdecimal() and len(cell) < _LONG
        if counted and [cell, *others] == [str(int(cell) + step) for step in range(len(others) + 1)]:
            return True
    return False


def _is_number(cell: str) -> bool:
    """Whether a cell is a number, a date or the like: it has digits and no letters."""
    return any(map(str.isdigit, cell)) and not any(map(str.isalpha, cell))
