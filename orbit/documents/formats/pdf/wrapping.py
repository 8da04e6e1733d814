"""Decides which lines of a table make one row: the text of a cell may take several."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias

from orbit.documents.formats.pdf.piece import SOFT_HYPHENS, Piece

Line: TypeAlias = Mapping[int, Piece]
"""What is beside each other, by column."""

_NUMBER = re.compile(r"[^\W\d_]{0,3}[^\w]*\d[\d\W]*[^\W\d_]{0,3}\W*")
"""A number, a date or a price, with its unit."""
_UNIT = re.compile(r"[^\W\d_]{1,4}\.?|%|€|\$")
"""What may be below its number in a narrow column."""
_MOSTLY = 0.6
_JUMP = 1.2
"""Lines of different rows are at least this many times as far apart as those of one row."""
_FEWEST_POINTS = 1.5
"""And by so many points."""
_TRIED = 3
_EXCEPTIONS = 0.2
"""Part of the rows in which all cells may have several lines."""
_CLOSE = 1.7
"""Lines of one row begin at most this many heights of their text apart."""
_FULL = 0.9
"""A line is so wide, with the first word of the next one, if that word did not fit."""
_HALF = 0.5


def grouped(lines: Sequence[Line], cuts: Sequence[float] = ()) -> list[list[int]]:
    """Return the numbers of the lines that make each row, from top to bottom.

    ``cuts`` are the heights of the rules across the table. Without them, gaps between lines show the rows, or else
    what a line lacks.
    """
    numbers = _numbers(lines)
    groups = _grouped(lines, cuts, numbers)
    while len(groups) > 2 and _names_columns(groups[0], groups[1], lines, numbers):  # noqa: PLR2004  # names and rows
        groups[:2] = [[*groups[0], *groups[1]]]
    return groups


def _names_columns(names: Sequence[int], below: Sequence[int], lines: Sequence[Line], numbers: set[int]) -> bool:
    """Whether lines go on with the names of columns: with words above numbers, in some of the columns."""
    above = {column for line in names for column in lines[line]}
    columns = {column for line in below for column in lines[line]}
    cells = [piece for line in (*names, *below) for piece in lines[line].values()]
    return bool(columns & numbers) and columns < above and not any(is_number(piece.text) for piece in cells)


def _grouped(lines: Sequence[Line], cuts: Sequence[float], numbers: set[int]) -> list[list[int]]:
    tops = [min(piece.top for piece in line.values()) for line in lines]
    bottoms = [max(piece.bottom for piece in line.values()) for line in lines]
    apart = [any(bottom - 1 <= cut <= top + 1 for cut in cuts) for bottom, top in zip(bottoms, tops[1:], strict=False)]
    if sum(apart) > 1 and _make_sense(groups := _divided(apart), lines, numbers):
        return groups
    steps = [below - above for above, below in pairwise(tops)]
    for limit in _limits(steps):
        groups = _divided([step > limit for step in steps])
        if _make_sense(groups, lines, numbers):
            return groups
    return _continued(lines, steps, numbers)


def _limits(steps: Sequence[float]) -> list[float]:
    """Return what may be the longest step between lines of one row, the likeliest first."""
    jumps = [
        (above / max(below, 1.0), (above + below) / 2)
        for below, above in pairwise(sorted(steps))
        if above - below >= _FEWEST_POINTS and above >= _JUMP * below
    ]
    return [limit for _, limit in sorted(jumps, reverse=True)[:_TRIED]]


def _divided(apart: Sequence[bool]) -> list[list[int]]:
    groups = [[0]]
    for number, divides in enumerate(apart, start=1):
        if divides:
            groups.append([number])
        else:
            groups[-1].append(number)
    return groups


def _make_sense(groups: Sequence[Sequence[int]], lines: Sequence[Line], numbers: set[int]) -> bool:
    """Whether groups of lines may be rows: a number never takes two lines, and seldom do all cells."""
    odd = several = 0
    for place, group in enumerate(groups):
        if len(group) == 1:
            continue
        counts: dict[int, int] = {}
        for number in group:
            for column, piece in lines[number].items():
                if (
                    counts.get(column)
                    and column in numbers
                    and (is_number(piece.text) or (place and not _UNIT.fullmatch(piece.text)))
                ):
                    return False
                counts[column] = counts.get(column, 0) + 1
        several += 1
        odd += place > 0 and min(counts.values()) > 1
    return several > 0 and odd <= _EXCEPTIONS * len(groups)


def _continued(lines: Sequence[Line], steps: Sequence[float], numbers: set[int]) -> list[list[int]]:
    """Group lines that are equally far apart: one that lacks cells, and goes on where those above are full."""
    widths: dict[int, float] = {}
    for line in lines:
        for column, piece in line.items():
            widths[column] = max(widths.get(column, 0.0), piece.right - piece.left)
    groups = [[0]]
    last = dict(lines[0])
    for number, line in enumerate(lines[1:], start=1):
        near = steps[number - 1] <= _CLOSE * max(piece.height for piece in line.values())
        if (
            near
            and line.keys() < last.keys()
            and not any(
                column in numbers and (len(groups) > 1 or is_number(piece.text)) for column, piece in line.items()
            )
            and all(_goes_on(last[column], piece, widths[column]) for column, piece in line.items())
        ):
            groups[-1].append(number)
            last |= line
        else:
            groups.append([number])
            last = dict(line)
    return groups


def _goes_on(above: Piece, below: Piece, width: float) -> bool:
    if above.text.endswith((*SOFT_HYPHENS, "-", ",")) or below.text[:1].islower():
        return True
    long = above.right - above.left
    word = len(below.text.partition(" ")[0]) + 1
    return long >= _HALF * width and long + word * long / max(1, len(above.text)) >= _FULL * width


def _numbers(lines: Sequence[Line]) -> set[int]:
    """Return the columns that mostly hold numbers, below the first line."""
    found: dict[int, list[bool]] = {}
    for line in lines[1:]:
        for column, piece in line.items():
            found.setdefault(column, []).append(is_number(piece.text))
    return {column for column, cells in found.items() if sum(cells) >= _MOSTLY * len(cells)}


def is_number(text: str) -> bool:
    """Whether a cell is a number, perhaps with its unit."""
    return _NUMBER.fullmatch(text) is not None
