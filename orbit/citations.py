"""Taking out of an answer the citations of passages that it was never given."""

from __future__ import annotations

import re

_CITATION = re.compile(r"(?<![\w)])\[(\d{1,4})\]")
_UNFINISHED = re.compile(r"\[\d{0,4}$|(?<!`)`{1,2}$")
_FENCE = "```"


class CitationFilter:
    """Passes the pieces of an answer on, without ``[n]`` where there is no passage ``n``.

    Brackets after a word, as in ``items[3]``, are no citations, and code between fences is left alone. Text is held
    back only while it may be the beginning of a citation or a fence.
    """

    def __init__(self, passages: int) -> None:
        self._passages = passages
        self._held = ""
        self._before = " "
        self._in_code = False

    def add(self, piece: str) -> str:
        """Take a piece; return what may be passed on, possibly nothing."""
        if not self._held and "[" not in piece and "`" not in piece:
            self._before = piece[-1:] or self._before
            return piece
        text = self._held + piece
        unfinished = _UNFINISHED.search(text)
        self._held = unfinished[0] if unfinished else ""
        return self._clean(text[: len(text) - len(self._held)])

    def rest(self) -> str:
        """Return what is still held back when the answer has ended."""
        held, self._held = self._held, ""
        return self._clean(held)

    def _clean(self, text: str) -> str:
        if not text:
            return ""
        parts = text.split(_FENCE)
        cleaned: list[str] = []
        for number, part in enumerate(parts):
            if number:
                self._in_code = not self._in_code
            before = self._before if number == 0 else "`"
            cleaned.append(part if self._in_code else _CITATION.sub(self._keep, before + part)[len(before) :])
        result = _FENCE.join(cleaned)
        self._before = text[-1]
        return result

    def _keep(self, match: re.Match[str]) -> str:
        return match[0] if 1 <= int(match[1]) <= self._passages else ""
