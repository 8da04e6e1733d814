"""Finds the straight lines that a page draws: the rules and borders of its tables."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, right and bottom in points, as those of a Piece."""
_Matrix: TypeAlias = tuple[float, float, float, float, float, float]

THIN = 3.0
"""Points: a line is at most so thick."""
_SHORTEST = 5.0
_STRAIGHT = 0.5
"""Points by which the ends of a level line may differ."""
_MOST = 5_000
"""Objects and corners of a page to look at. Maps have more."""
_MOST_ODD = 3
"""Lines of a path that lead elsewhere than across or down."""
_DEEPEST = 3
"""Drawings within drawings."""
_SAME: _Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


class Rule(NamedTuple):
    """A line across or down a page: where it is, and from where to where it goes."""

    at: float
    start: float
    end: float


def rulings(pdfium: Any, page: Any) -> list[Box]:
    """Return the lines of a page, each as a thin box; none if it has too many to be tables."""
    found: list[Box] = []
    count = pdfium.FPDFPage_CountObjects(page)
    if count > _MOST:
        return []
    work = _Work(pdfium)
    objects = (pdfium.FPDFPage_GetObject(page, index) for index in range(count))
    for box in work.of_objects(objects, _SAME, 0):
        found.append(box)
        if len(found) > _MOST:
            return []
    return [] if work.left < 0 else found


class _Work:
    """Looks at objects, as long as there are not too many."""

    def __init__(self, pdfium: Any) -> None:
        self._pdfium = pdfium
        self._sides = [ctypes.c_float() for _ in range(4)]
        self._by_side = [ctypes.byref(side) for side in self._sides]
        self.left = 2 * _MOST

    def of_objects(self, objects: Iterator[Any], matrix: _Matrix, depth: int) -> Iterator[Box]:
        pdfium = self._pdfium
        kind_of, path, form = pdfium.FPDFPageObj_GetType, pdfium.FPDF_PAGEOBJ_PATH, pdfium.FPDF_PAGEOBJ_FORM
        for drawn in objects:
            kind = kind_of(drawn)
            if kind == path:
                yield from self._of_path(drawn, matrix)
            elif kind == form and depth < _DEEPEST:
                count = min(pdfium.FPDFFormObj_CountObjects(drawn), self.left)
                self.left -= count
                inner = (pdfium.FPDFFormObj_GetObject(drawn, index) for index in range(count))
                yield from self.of_objects(inner, _times(self._matrix(drawn), matrix), depth + 1)
            if self.left < 0:
                return

    def _of_path(self, path: Any, matrix: _Matrix) -> Iterator[Box]:
        pdfium = self._pdfium
        if not pdfium.FPDFPageObj_GetBounds(path, *self._by_side):
            return
        left, bottom, right, top = (side.value for side in self._sides)
        if max(right - left, top - bottom) < _SHORTEST:
            return
        if min(right - left, top - bottom) <= THIN:
            yield _box(matrix, left, bottom, right, top)
            return
        count = pdfium.FPDFPath_CountSegments(path)
        self.left -= count
        if self.left >= 0:
            whole = _times(self._matrix(path), matrix)
            odd = 0
            for (x, y, _), (next_x, next_y, drawn) in pairwise(self._points(path, count)):
                if not drawn:
                    continue
                box = left, top, right, bottom = _box(whole, x, y, next_x, next_y)
                if min(right - left, bottom - top) > _STRAIGHT:
                    odd += 1
                    if odd > _MOST_ODD:  # a drawing
                        return
                elif max(right - left, bottom - top) >= _SHORTEST:
                    yield box

    def _points(self, path: Any, count: int) -> Iterator[tuple[float, float, bool]]:
        """Yield the corners of a path, and whether a straight line leads to each."""
        pdfium = self._pdfium
        (x, y), (by_x, by_y) = self._sides[:2], self._by_side[:2]
        start = 0.0, 0.0
        for index in range(count):
            segment = pdfium.FPDFPath_GetPathSegment(path, index)
            pdfium.FPDFPathSegment_GetPoint(segment, by_x, by_y)
            kind = pdfium.FPDFPathSegment_GetType(segment)
            if kind == pdfium.FPDF_SEGMENT_MOVETO:
                start = x.value, y.value
            elif kind != pdfium.FPDF_SEGMENT_LINETO:  # a curve: a drawing, or round corners
                return
            yield x.value, y.value, kind == pdfium.FPDF_SEGMENT_LINETO
            if pdfium.FPDFPathSegment_GetClose(segment):
                yield *start, True

    def _matrix(self, drawn: Any) -> _Matrix:
        matrix = self._pdfium.FS_MATRIX()
        if not self._pdfium.FPDFPageObj_GetMatrix(drawn, ctypes.byref(matrix)):
            return _SAME
        return matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f


def _times(one: _Matrix, other: _Matrix) -> _Matrix:
    """Return the matrix that does what ``one`` does, then what ``other`` does."""
    if other is _SAME:
        return one
    a, b, c, d, e, f = one
    g, h, i, j, k, m = other
    return a * g + b * i, a * h + b * j, c * g + d * i, c * h + d * j, e * g + f * i + k, e * h + f * j + m


def _box(matrix: _Matrix, x: float, y: float, next_x: float, next_y: float) -> Box:
    """Return two corners on the page as a box. Coordinates that are no numbers become a box far away."""
    a, b, c, d, e, f = matrix
    one, other = (
        (a * x + c * y + e, -(b * x + d * y + f)),
        (a * next_x + c * next_y + e, -(b * next_x + d * next_y + f)),
    )
    if not all(map(math.isfinite, (*one, *other))):
        return 0.0, 0.0, 0.0, 0.0
    return min(one[0], other[0]), min(one[1], other[1]), max(one[0], other[0]), max(one[1], other[1])
