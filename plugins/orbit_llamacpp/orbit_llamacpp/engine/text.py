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

    def __init__(
        self,
        stops: Sequence[str] = (),
        splitter: ThinkingSplitter | None = None,
        *,
        marker: str = "",
        only_first: bool = False,
        calling: bool = False,
    ) -> None:
        """Set ``stops``, the texts before which the answer ends; the earliest in the text wins. Thoughts ignore them.

        Without a ``splitter``, everything is answer. From ``marker`` on, everything is a call of tools, which
        ``called`` collects; ``only_first``: the marker means something only at the beginning. ``calling``: the whole
        answer is a call.
        """
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._stops = tuple(stop for stop in stops if stop)
        self._splitter = splitter
        self._held = ""
        self._marker = marker
        self._only_first = only_first
        self.stopped = False
        self.called: str | None = "" if calling else None
        """The call so far, with its marker; None before it."""

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
        if self.called is not None:
            self.called += new
            return ""
        text = self._held + new
        if self._marker:
            return self._before_call(text)
        if not self._stops:
            return text
        return self._held_back(text)

    def _before_call(self, text: str) -> str:
        """Return what comes before a call."""
        start = text.lstrip()
        if self._only_first and not (self._marker.startswith(start) or start.startswith(self._marker)):
            self._marker = ""  # the answer has begun with something else
            return self._held_back(text)
        at = text.find(self._marker)
        if at < 0:
            return self._held_back(text, self._marker)
        before = self._held_back(text[:at])
        if not self.stopped:
            before, self._held = before + self._held, ""
            self.called = text[at:]
        return before.rstrip()

    def _held_back(self, text: str, *markers: str) -> str:
        """Return what is certain of a text: no part of it begins a stop text or one of ``markers``."""
        found = [at for at in (text.find(stop) for stop in self._stops) if at >= 0]
        if found:
            self.stopped = True
            self._held = ""
            return text[: min(found)]
        keep = max((_overlap(text, stop) for stop in (*self._stops, *markers)), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]


def _overlap(text: str, stop: str) -> int:
    """Return the length of the longest end of ``text`` that begins ``stop``."""
    for length in range(min(len(text), len(stop) - 1), 0, -1):
        if stop.startswith(text[-length:]):
            return length
    return 0
