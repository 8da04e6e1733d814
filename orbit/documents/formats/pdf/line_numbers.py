"""Leaves out the numbers that drafts of laws, pleadings and proofs have beside their lines."""

from __future__ import annotations

from collections.abc import Sequence

from orbit.documents.formats.pdf.piece import Piece
from orbit.documents.formats.pdf.rows import rows_of

_FEWEST = 10
"""Numbers that follow each other."""
_DIGITS = 3
_ALIGNED = 8.0
"""Points by which numbers of one and two digits may end apart."""
_GOING_ON = 0.3
"""Part of the lines beside them that begin in the middle of a sentence, at least. Those of numbered lists do not."""


def without_line_numbers(pieces: Sequence[Piece]) -> Sequence[Piece]:
    """Return a page's text without numbers that count its lines in the margin."""
    run = _counting(pieces)
    if not run:
        return pieces
    numbers = {id(piece) for piece in run}
    top, bottom = run[0].top, run[-1].bottom
    beside = [piece for piece in pieces if top < piece.bottom and piece.top < bottom and id(piece) not in numbers]
    left, right = min(piece.left for piece in run), max(piece.right for piece in run)
    if any(piece.left < right for piece in beside) and any(piece.right > left for piece in beside):
        return pieces
    rows = rows_of(beside)
    if sum(row[0].text[:1].islower() for row in rows) < max(1, _GOING_ON * len(rows)):
        return pieces
    return [piece for piece in pieces if id(piece) not in numbers]


def _counting(pieces: Sequence[Piece]) -> list[Piece]:
    """Return numbers below each other that count by one, if there are enough."""
    run: list[Piece] = []
    for piece in pieces:
        if len(piece.text) > _DIGITS or not piece.text.isdecimal():
            continue
        last = run[-1] if run else piece
        near = abs(piece.right - last.right) < _ALIGNED and piece.top > last.top
        if near and int(piece.text) == int(last.text) + 1:
            run.append(piece)
        elif len(run) >= _FEWEST:
            break
        else:
            run = [piece]
    return run if len(run) >= _FEWEST else []
