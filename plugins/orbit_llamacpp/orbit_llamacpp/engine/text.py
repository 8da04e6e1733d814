"""Converts the bytes of tokens to displayable text: whole characters, no thoughts, no stop texts."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import TypeAlias

from orbit import ThinkingSplitter

Split: TypeAlias = tuple[str, str]
"""Text of the answer, and of the thoughts before it."""


class TextStream:
    """Collects bytes and releases text. Holds back what may become a tag or a stop text."""

    def __init__(self, stops: Sequence[str] = (), splitter: ThinkingSplitter | None = None) -> None:
        """Set ``stops``, the texts before which the answer ends; the earliest in the text wins. Thoughts ignore them.

        Without a ``splitter``, everything is answer.
        """
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._stops = tuple(stop for stop in stops if stop)
        self._splitter = splitter
        self._held = ""
        self.stopped = False

    @property
    def thoughts_end(self) -> str:
        """The mark that would end the current thoughts; empty outside of them."""
        return "" if self._splitter is None else self._splitter.thoughts_end

    def push(self, piece: bytes) -> Split:
        """Return the text that has become certain with these bytes. Empty once stopped."""
        text = self._decoder.decode(piece)
        answer, thoughts = (text, "") if self._splitter is None else self._splitter.add(text)
        return self._before_stop(answer), thoughts

    def finish(self, *, cut: bool) -> Split:
        """Return the rest at the end of an answer, without a partial character. ``cut``: the answer is incomplete."""
        answer, thoughts = ("", "") if self._splitter is None else self._splitter.rest(cut=cut)
        text = self._before_stop(answer) + self._held
        self._held = ""
        return text, thoughts

    def _before_stop(self, new: str) -> str:
        if self.stopped:
            return ""
        text = self._held + new
        if not self._stops:
            return text
        found = [at for at in (text.find(stop) for stop in self._stops) if at >= 0]
        if found:
            self.stopped = True
            self._held = ""
            return text[: min(found)]
        keep = max(_overlap(text, stop) for stop in self._stops)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]


def _overlap(text: str, stop: str) -> int:
    """Return the length of the longest end of ``text`` that begins ``stop``."""
    for length in range(min(len(text), len(stop) - 1), 0, -1):
        if stop.startswith(text[-length:]):
            return length
    return 0
