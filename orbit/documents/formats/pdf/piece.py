"""A piece of a page's text with its place."""

from __future__ import annotations

import re

import msgspec

HYPHEN = "\ufffe"
"""PDFium's mark for a hyphen that only divides a word at the end of a line."""

SOFT_HYPHENS = (HYPHEN, "\u2010", "\u00ad", "\x02")
"""Hyphens that programs write only to divide a word."""
_WIDE = re.compile("[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff00-\uff60]")


def breadth(text: str) -> int:
    """Return how many letters of Latin are as wide as a text."""
    return len(text) if text.isascii() else len(text) + len(_WIDE.findall(text))


class Piece(msgspec.Struct, gc=False):
    """A line, or the part of a line between two wide gaps. Coordinates are in points from the top left corner.

    ``line`` is the number of the line that PDFium sees it in.
    """

    text: str
    left: float
    top: float
    right: float
    bottom: float
    line: int = 0

    @property
    def height(self) -> float:
        """Height of the text in points."""
        return self.bottom - self.top

    @property
    def upright(self) -> bool:
        """Whether the text runs from left to right, as far as its shape shows."""
        height = self.bottom - self.top
        return height > 0 and (self.right - self.left >= height * 0.8 or len(self.text) < 3)  # noqa: PLR2004  # "1" is upright, too
