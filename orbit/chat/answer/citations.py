"""Removes from an answer what a model makes up: citations of passages that it never got, and passages."""

from __future__ import annotations

import re

_CITATION = re.compile(r"(?<![\w)])\[(\d{1,4})\]")
_PASSAGE = re.compile(r'</passage>?|<passage number="?\d*"?>?')
_FENCE = "```"

_NUMBER = re.compile(r"\d+")
_TAGS = ("</passage>", '<passage number="')
_BEGINNINGS = "|".join(re.escape(tag[:length]) for tag in _TAGS for length in range(len(tag) - 1, 0, -1))
_UNFINISHED = re.compile(rf'\[\d{{0,4}}$|(?<!`)`{{1,2}}$|<passage number="?\d*"?$|(?:{_BEGINNINGS})$')


class CitationFilter:
    """Passes the pieces of an answer on, without ``[n]`` where there is no passage ``n``.

    Brackets after a word, as in ``items[3]``, are no citations, and code between fences is left alone. Small models may
    go on with passages of their own after the answer: it has ended there, as ``ended`` tells. One that begins with a
    passage quotes it, if there is that passage. Text is held back only while it may be the beginning of something of
    this kind.
    """

    def __init__(self, passages: int) -> None:
        self.ended = False
        self._passages = passages
        self._held = ""
        self._before = " "
        self._in_code = False
        self._said = False
        self._quotes = False

    def add(self, piece: str) -> str:
        """Take a piece; return what may be passed on, possibly nothing."""
        if self.ended:
            return ""
        if not self._held and "[" not in piece and "`" not in piece and "<" not in piece:
            self._before = piece[-1:] or self._before
            self._said = self._said or bool(piece.strip())
            return piece
        text = self._held + piece
        unfinished = _UNFINISHED.search(text)
        self._held = unfinished[0] if unfinished else ""
        return self._clean(text[: len(text) - len(self._held)])

    def rest(self) -> str:
        """Return what is still held back when the answer has ended."""
        held, self._held = self._held, ""
        return "" if self.ended else self._clean(held)

    def _clean(self, text: str) -> str:
        if not text:
            return ""
        cleaned: list[str] = []
        for number, part in enumerate(text.split(_FENCE)):
            if number:
                self._in_code = not self._in_code
            if self._in_code:
                cleaned.append(part)
                self._said = True
                continue
            before = self._before if number == 0 else "`"
            cleaned.append(_CITATION.sub(self._keep, before + self._without_passages(part))[len(before) :])
            if self.ended:
                break
        self._before = text[-1]
        return _FENCE.join(cleaned)

    def _without_passages(self, text: str) -> str:
        kept = ""
        while not self._quotes and (passage := _PASSAGE.search(text)):
            before = text[: passage.start()]
            if self._said or before.strip():
                self.ended = True
                return kept + before
            if passage[0].startswith("</"):  # of a passage that the model takes to be still open
                kept, text = kept + before, text[passage.end() :]
            elif (number := _NUMBER.search(passage[0])) and int(number[0]) > self._passages:
                kept, text = kept + before, text[passage.end() :]  # the answer, in clothes of a passage
            else:
                self._quotes = True
        self._said = self._said or bool(text.strip())
        return kept + text

    def _keep(self, match: re.Match[str]) -> str:
        return match[0] if 1 <= int(match[1]) <= self._passages else ""
