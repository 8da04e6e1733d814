"""Mends rows of tables that go on overleaf: what a page has of them lacks its key, or half of its text."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, takewhile

from orbit.documents.formats.pdf.words import Words


def without_rest(above: list[list[str]], below: list[list[str]], words: Words) -> list[list[str]]:
    """Return the rows of a page without the rest of the last row on the page before, which takes it.

    A cell that spans rows on both pages is in all of them.
    """
    spans = any(one[0] == other[0] for one, other in pairwise(above))
    keyed = not spans and all(row[0] for row in above)
    rows = list(below)
    while rows and not rows[0][0] and _goes_on(above[-1], rows[0], keyed=keyed):
        above[-1] = [_joined(one, other, words) for one, other in zip(above[-1], rows.pop(0), strict=True)]
    if spans:
        for row in takewhile(lambda row: not row[0], rows):
            row[0] = above[-1][0]
    return rows


def _goes_on(above: Sequence[str], below: Sequence[str], *, keyed: bool) -> bool:
    """Whether a row is the rest of one that lacks its cells, or, where each row has a key, the rest of sentences."""
    filled = [(one, other) for one, other in zip(above, below, strict=True) if other]
    if not any(one for one, _ in filled):
        return True
    return keyed and all(not one or other[0].islower() or one.endswith(("-", ",")) for one, other in filled)


def _joined(above: str, below: str, words: Words) -> str:
    if not above or not below:
        return above or below
    return words.joined(above, below) or f"{above} {below}"
