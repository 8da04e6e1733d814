"""Splits a stream of text into sentences, so that moderators can judge each before the client reads it."""

from __future__ import annotations

import re

_END = re.compile(r"[.!?。！？…]+[\"'”’)\]]*(?=\s)|\n{2,}|[。！？]")  # noqa: RUF001  # the full-width marks are meant


class SentenceBuffer:
    """Collects pieces of text and returns whole sentences, including all white space."""

    def __init__(self, longest: int = 2000) -> None:
        """Treat ``longest`` characters without an end as a sentence."""
        self._text = ""
        self._longest = longest

    def add(self, text: str) -> str:
        """Take a piece; return the sentences that are now complete, or an empty text."""
        self._text += text
        cut = 0
        for match in _END.finditer(self._text):
            cut = match.end()
        if len(self._text) - cut >= self._longest:
            cut = len(self._text)
        ready, self._text = self._text[:cut], self._text[cut:]
        return ready

    def rest(self) -> str:
        """Return what is left when the stream has ended."""
        ready, self._text = self._text, ""
        return ready
