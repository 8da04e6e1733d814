"""The text of an answer as it may leave: without made-up citations, and no longer than allowed."""

from __future__ import annotations

from orbit.chat.citations import CitationFilter


class AnswerText:
    """Passes the pieces of an answer on. ``ended`` tells that nothing more may follow, ``cut`` that it was too long."""

    def __init__(self, passages: int, longest: int) -> None:
        """``passages`` is how many the model was given, ``longest`` the most characters of an answer."""
        self._citations = CitationFilter(passages) if passages else None
        self._room = longest
        self.cut = False
        self.ended = False

    def add(self, piece: str) -> str:
        """Take a piece; return what may be passed on, possibly nothing."""
        if self._citations is not None:
            piece = self._citations.add(piece)
            self.ended = self._citations.ended
        self._room -= len(piece)
        return piece if self._room >= 0 else self._cut(piece)

    def rest(self) -> str:
        """Return what is still held back when the model has ended."""
        return self._citations.rest() if self._citations is not None and not self.cut else ""

    def _cut(self, piece: str) -> str:
        self.cut = self.ended = True
        return piece[: self._room]
