"""Puts what is beside each other on a page into rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar


class _Placed(Protocol):
    left: float
    top: float
    bottom: float


_B = TypeVar("_B", bound=_Placed)

SAME_ROW = 0.5
"""Pieces are in one row if they share this part of the lower one's height."""


def rows_of(pieces: Iterable[_B]) -> list[list[_B]]:
    """Return the blocks row by row, each from left to right."""
    rows: list[list[_B]] = []
    top = bottom = 0.0
    for piece in sorted(pieces, key=lambda piece: piece.top + piece.bottom):
        shared = min(bottom, piece.bottom) - max(top, piece.top)
        if rows and shared >= SAME_ROW * min(bottom - top, piece.bottom - piece.top):
            rows[-1].append(piece)
        else:
            rows.append([piece])
            top, bottom = piece.top, piece.bottom
    for row in rows:
        row.sort(key=lambda piece: piece.left)
    return rows
