"""Finds the straight lines that a page draws: the rules and borders of its tables."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise, repeat
from typing import Any, NamedTuple, TypeAlias

from orbit.documents.formats.pdf.boxes import Box
from orbit.documents.formats.pdf.calls import ADDRESS, NUMBER, address, quick, written

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
_AT_ONCE = 16
"""Corners to look at before it shows whether they are a drawing's."""
_SAME: _Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


class Rule(NamedTuple):
    """A line across or down a page: where it is, and from where to where it goes."""

    at: float
    start: float
    end: float


def rulings(pdfium: Any, page: Any) -> list[Box]:
    """Return the lines of a page, each as a thin box; none if it has too many to be tables."""
    work = _Work(_functions(pdfium))
    found = work.of_objects(address(page), _SAME, 0)
    return [] if work.left < 0 else found


class _Work:
    """Looks at objects, as long as there are not too many."""

    def __init__(self, functions: _Functions) -> None:
        self._functions = functions
        self.left = 2 * _MOST

    def of_objects(self, holder: int, matrix: _Matrix, depth: int) -> list[Box]:
        """Return the lines of a page, or of a drawing on it."""
        call = self._functions
        count, one = (call.count_inner, call.inner) if depth else (call.count, call.one)
        many = count(holder)
        self.left -= many if depth else 0
        if many > _MOST or self.left < 0:
            self.left = -1
            return []
        objects = list(map(one, repeat(holder), range(many)))
        kinds = list(map(call.kind, objects))
        found = self._of_paths([drawn for drawn, kind in zip(objects, kinds, strict=True) if kind == call.path], matrix)
        if depth < _DEEPEST:
            for drawn, kind in zip(objects, kinds, strict=True):
                if kind == call.form and self.left >= 0:
                    found += self.of_objects(drawn, _times(self._matrix(drawn), matrix), depth + 1)
        if len(found) > _MOST:
            self.left = -1
        return found

    def _of_paths(self, paths: Sequence[int], matrix: _Matrix) -> list[Box]:
        found = []
        bounds = written(self._functions.bounds, len(paths), paths, width=4, kind="f")
        for path, left, bottom, right, top in zip(paths, *bounds, strict=True):
            width, height = right - left, top - bottom
            if width < _SHORTEST and height < _SHORTEST:
                continue
            if width <= THIN or height <= THIN:
                found.append(_box(matrix, left, bottom, right, top))
            else:
                found += self._of_corners(path, matrix)
                if self.left < 0:
                    break
        return found

    def _of_corners(self, path: int, matrix: _Matrix) -> list[Box]:
        """Return the lines across and down of a path; none of a drawing."""
        count = self._functions.count_segments(path)
        self.left -= count
        if self.left < 0:
            return []
        whole = _times(self._matrix(path), matrix)
        found = []
        odd = 0
        for (x, y, _), (next_x, next_y, drawn) in pairwise(self._points(path, count)):
            if not drawn:
                continue
            box = left, top, right, bottom = _box(whole, x, y, next_x, next_y)
            if right - left > _STRAIGHT and bottom - top > _STRAIGHT:
                odd += 1
                if odd > _MOST_ODD:
                    break
            elif right - left >= _SHORTEST or bottom - top >= _SHORTEST:
                found.append(box)
        return found

    def _points(self, path: int, count: int) -> Iterator[tuple[float, float, bool]]:
        """Yield the corners of a path, and whether a straight line leads to each."""
        call = self._functions
        start = 0.0, 0.0
        for begin in range(0, count, _AT_ONCE):
            segments = list(map(call.segment, repeat(path), range(begin, min(begin + _AT_ONCE, count))))
            kinds = list(map(call.kind_of_segment, segments))
            corners = written(call.point, len(segments), segments, width=2, kind="f")
            for x, y, kind, closed in zip(*corners, kinds, map(call.closes, segments), strict=True):
                if kind not in call.straight:  # a curve: a drawing, or round corners
                    return
                if kind == call.move:
                    start = x, y
                yield x, y, kind != call.move
                if closed:
                    yield *start, True

    def _matrix(self, drawn: int) -> _Matrix:
        matrix = (ctypes.c_float * 6)()
        if not self._functions.matrix(drawn, ctypes.addressof(matrix)):
            return _SAME
        a, b, c, d, e, f = matrix
        return a, b, c, d, e, f


class _Functions:
    def __init__(self, pdfium: Any) -> None:
        self.path, self.form, self.move = pdfium.FPDF_PAGEOBJ_PATH, pdfium.FPDF_PAGEOBJ_FORM, pdfium.FPDF_SEGMENT_MOVETO
        self.straight = {self.move, pdfium.FPDF_SEGMENT_LINETO}
        self.count = quick(pdfium.FPDFPage_CountObjects, ADDRESS)
        self.one = quick(pdfium.FPDFPage_GetObject, ADDRESS, NUMBER, result=ADDRESS)
        self.count_inner = quick(pdfium.FPDFFormObj_CountObjects, ADDRESS)
        self.inner = quick(pdfium.FPDFFormObj_GetObject, ADDRESS, ctypes.c_ulong, result=ADDRESS)
        self.kind = quick(pdfium.FPDFPageObj_GetType, ADDRESS)
        self.bounds = quick(pdfium.FPDFPageObj_GetBounds, *[ADDRESS] * 5)
        self.matrix = quick(pdfium.FPDFPageObj_GetMatrix, ADDRESS, ADDRESS)
        self.count_segments = quick(pdfium.FPDFPath_CountSegments, ADDRESS)
        self.segment = quick(pdfium.FPDFPath_GetPathSegment, ADDRESS, NUMBER, result=ADDRESS)
        self.kind_of_segment = quick(pdfium.FPDFPathSegment_GetType, ADDRESS)
        self.point = quick(pdfium.FPDFPathSegment_GetPoint, *[ADDRESS] * 3)
        self.closes = quick(pdfium.FPDFPathSegment_GetClose, ADDRESS)


@cache
def _functions(pdfium: Any) -> _Functions:
    return _Functions(pdfium)


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
    left, top, right, bottom = (
        *(a * x + c * y + e, -(b * x + d * y + f)),
        *(a * next_x + c * next_y + e, -(b * next_x + d * next_y + f)),
    )
    if not math.isfinite(left + top + right + bottom):
        return 0.0, 0.0, 0.0, 0.0
    if right < left:
        left, right = right, left
    return (left, top, right, bottom) if top <= bottom else (left, bottom, right, top)
