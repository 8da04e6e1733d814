"""The beginning of a text, which decides what it is."""

from __future__ import annotations

import re
from typing import Final

from orbit.thinking.answers import Answer, MarkedAnswer, WatchedAnswer, WholeAnswer
from orbit.thinking.blocks import block, may_be_block
from orbit.thinking.harmony import BEGINNINGS as HARMONY
from orbit.thinking.harmony import STRIPPED, Harmony
from orbit.thinking.phase import Learn, Phase, Split
from orbit.thinking.tags import (
    CLOSING,
    FINAL,
    LONGEST,
    OPENING,
    PAIRS,
    UNFINISHED,
    closing_or_own,
    closing_tag,
    unopened,
)
from orbit.thinking.thoughts import Thoughts, UnopenedThoughts

_RESPONSES: Final = {
    "<|start_response|>": "<|end_response|>",  # Command A, in capitals
    "<|start_text|>": "<|end_text|>",  # the same
    "<|begin_of_solution|>": "<|end_of_solution|>",
    "<answer>": "</answer>",  # Hunyuan
    "<answer:opensource>": "</answer:opensource>",  # the same
    "<response>\n": "</response>",  # ERNIE
}
"""Marks around the answer after the thoughts, in lower case."""
_BEGINNINGS: Final = (*_RESPONSES, *PAIRS, *PAIRS.values(), *HARMONY, STRIPPED[0])
_LIKE_THOUGHTS: Final = (
    *("okay,", "okay ", "ok,", "ok ", "alright,", "hmm", "the user ", "we need to ", "we are given "),
    *("嗯", "好的", "用户"),
)
"""Typical first words of thoughts, in lower case. Answers may begin so, too: hold them back only while the model is
unknown.
"""


class Beginning(Phase):
    """The beginning of a text, until it is certain what it is."""

    def __init__(self, learn: Learn | None, *, opened: bool, unknown: bool, whole: bool) -> None:
        """Take what is known of the model: the arguments are those of ``ThinkingSplitter``."""
        self._learn = learn
        self._opened = opened
        self._unknown = unknown
        self._whole = whole
        self._held = ""

    def add(self, text: str) -> Split:
        """Hold the text back."""
        self._held += text
        begun = self._held.lstrip()
        if _closes(begun):
            self.following = AfterThoughts(), begun
        else:
            self.following = _opened(begun) or (None if _may_open(begun) else self._untagged(begun))
        return "", ""

    def rest(self, *, cut: bool) -> Split:  # noqa: ARG002  # what opens nothing is the answer
        """Return all of the text as the answer."""
        return self._held, ""

    def _untagged(self, begun: str) -> tuple[Phase, str] | None:
        start = begun[:LONGEST].lower()
        if self._is_thought(start):
            return UnopenedThoughts(AfterThoughts, self._learn or _ignore, unknown=self._unknown), self._held
        if self._unknown and any(like.startswith(start) for like in _LIKE_THOUGHTS):
            return None
        if self._whole:
            return WholeAnswer(self._learn or _ignore), self._held
        return Answer() if self._learn is None else WatchedAnswer(self._learn), self._held

    def _is_thought(self, start: str) -> bool:
        if self._opened or (self._unknown and start.startswith(_LIKE_THOUGHTS)):
            return True
        closing = None if self._whole or self._learn is None else unopened(self._held)
        return closing is not None and closing[0] != FINAL  # none of it has been sent


class AfterThoughts(Phase):
    """What follows thoughts: the answer, perhaps between marks, or more thoughts."""

    def __init__(self) -> None:
        """Begin with white space."""
        self._held = ""

    def add(self, text: str) -> Split:
        """Hold the text back."""
        self._held = (self._held + text).lstrip()
        while closing := _closes(self._held):
            self._held = self._held[closing.end() :].lstrip()
        response = next((mark for mark in _RESPONSES if self._held[:LONGEST].lower().startswith(mark)), "")
        if response:
            self.following = MarkedAnswer(_RESPONSES[response]), self._held[len(response) :]
        else:
            self.following = _opened(self._held) or (None if _may_open(self._held) else (Answer(), self._held))
        return "", ""

    def rest(self, *, cut: bool) -> Split:  # noqa: ARG002  # what opens nothing is the answer
        """Return all of the text as the answer."""
        return self._held, ""


def _closes(begun: str) -> re.Match[str] | None:
    """Return the closing tag of empty thoughts at the beginning of a text."""
    return None if begun.startswith(HARMONY) else CLOSING.match(begun)


def _opened(begun: str) -> tuple[Phase, str] | None:
    """Return the thoughts, or the messages of harmony, that a text begins with, and the text for them."""
    if opening := OPENING.match(begun):
        closing = closing_tag(opening)
        tags = closing_or_own(closing, opening)
        return Thoughts(tags, closing, AfterThoughts), begun[opening.end() :]
    mark, closing = STRIPPED
    if begun.startswith(mark) and begun[len(mark) : len(mark) + 1].isupper():
        return Thoughts(closing_or_own(closing, None), closing, AfterThoughts), begun[len(mark) :]
    return (Harmony(), begun) if begun.startswith(HARMONY) else block(begun, AfterThoughts)


def _ignore(opened: bool) -> None: ...


def _may_open(begun: str) -> bool:
    """Return whether an opening tag may still follow, so that more text is needed."""
    start = begun[:LONGEST].lower()
    unfinished = UNFINISHED.fullmatch(begun) is not None
    return unfinished or may_be_block(begun) or any(beginning.startswith(start) for beginning in _BEGINNINGS)
