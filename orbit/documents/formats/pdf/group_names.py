"""Names of groups of columns: cells of a header that span several columns, with the names of each below them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, product

from orbit.documents.formats.pdf.piece import Piece

_NEAR = 1.5
"""Names are at most this many heights of their text above each other."""
_ROWS = 2
_MOST = 6
"""Groups of columns."""
_ALIGNED = 3.0
"""Points by which a name may begin before or after its columns, or have another middle."""


def group_names(
    names: Sequence[str],
    spans: Sequence[tuple[float, float]],
    top: float,
    above: Sequence[Sequence[Piece]],
) -> tuple[list[str], list[Piece]] | None:
    """Return the names of columns with those of their groups, and the pieces that hold them, or else None.

    ``spans`` are where the columns begin and end, ``top`` is that of the names, and ``above`` the rows over them. One
    name over columns that all have names is a title.
    """
    pieces: list[Piece] = []
    for row in reversed(above[-_ROWS:]):
        if any(top - piece.bottom > _NEAR * piece.height for piece in row):
            break
        pieces += row
        top = min(piece.top for piece in row)
    whole = list(names)
    groups: list[tuple[Piece, list[int]]] = []
    for piece in sorted(pieces, key=lambda piece: piece.left):
        over = [place for place, (left, right) in enumerate(spans) if piece.left < right and piece.right > left]
        if len(over) == 1 and not whole[over[0]]:
            whole[over[0]] = piece.text
        else:
            groups.append((piece, over))
    if not (1 if "" in names else 2) <= len(groups) <= _MOST:
        return None
    for firsts in product(*(_firsts(piece, over, spans) for piece, over in groups)):
        runs = [range(start, end) for start, end in pairwise((*firsts, len(spans)))]
        fits = (_fits(piece, run, names, spans) for (piece, _), run in zip(groups, runs, strict=True))
        if all(fits):
            for (piece, _), run in zip(groups, runs, strict=True):
                for place in run:
                    whole[place] = f"{piece.text} {names[place]}"
            return (whole, pieces) if all(whole) else None
    return None


def _firsts(piece: Piece, over: Sequence[int], spans: Sequence[tuple[float, float]]) -> Sequence[int]:
    """Return the columns with which the group of a name may begin: it is over several, the second or between two."""
    if not over:
        return [sum(right <= piece.left for _, right in spans) - 1]
    return over[:1] if len(over) > 1 else (over[0], over[0] - 1)


def _fits(piece: Piece, run: Sequence[int], names: Sequence[str], spans: Sequence[tuple[float, float]]) -> bool:
    """Whether a name stands over the columns of a run: it begins with them, or is over their middle."""
    if len(run) < 2 or run[0] < 0 or not all(names[place] for place in run):  # noqa: PLR2004  # no group
        return False
    left, right = spans[run[0]][0], spans[run[-1]][1]
    middle = (left + right) / 2 - (piece.left + piece.right) / 2
    return abs(piece.left - left) <= _ALIGNED or abs(middle) <= (right - left) / 10 + _ALIGNED
