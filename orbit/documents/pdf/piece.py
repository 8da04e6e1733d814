"""A piece of a page's text with its place."""

from __future__ import annotations

import msgspec

HYPHEN = "\ufffe"
"""PDFium's mark for a hyphen that only divides a word at the end of a line."""


class Piece(msgspec.Struct):
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
