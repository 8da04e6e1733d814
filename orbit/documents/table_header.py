"""Tells whether a table without marked headers has one."""

from __future__ import annotations

from collections.abc import Sequence


def has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row looks like the names of the columns: no cell of it is empty or has a digit.

    Two columns are often names and values, so that only digits below the first row show what it is.
    """
    if len(rows) < 2:  # noqa: PLR2004  # names above nothing
        return False
    names, *rest = rows
    if not all(names) or _has_digit(names):
        return False
    return len(names) > 2 or any(map(_has_digit, rest))  # noqa: PLR2004  # see above


def _has_digit(cells: Sequence[str]) -> bool:
    return any(character.isdigit() for cell in cells for character in cell)
