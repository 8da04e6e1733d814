"""Thoughts between tags: where they end, although they may contain tags themselves."""

from __future__ import annotations

import re
from collections.abc import Callable

from orbit.thinking.phase import OPENED, PLAIN, Learn, Phase, Split
from orbit.thinking.tags import FINAL, LONGEST, TAG, closes, is_quoted, is_word, may_be_quoted, stands_alone, touches


class Thoughts(Phase):
    """Thoughts that a tag opened, until the tag that closes them.

    Closing tags in code, in quotation marks, of inner thoughts or of another name do not end them. If no other closing
    tag follows, the last of these did.
    """

    def __init__(self, tags: re.Pattern[str], closing: str, then: Callable[[], Phase]) -> None:
        """Read until one of ``tags`` whose group ``closing`` matched, and go on with the phase that ``then`` makes.

        ``closing`` is such a tag as the model writes it.
        """
        self.end_mark = f"\n{closing}\n\n"
        self._tags = tags
        self._then = then
        self._held = ""
        self._before = ""
        """The last characters of the thoughts that were read."""
        self._depth = 0
        """Opening tags within the thoughts whose closing tag is to come."""
        self._doubtful: list[str] | None = None
        """The text after a closing tag that may belong to the thoughts: it is the answer if no other tag follows."""
        self._in_code = False
        """Whether that tag seems to be part of code."""
        self._is_inner = False
        """Whether that tag closed inner thoughts."""
        self._fenced = False
        """Whether the thoughts are in a block of code."""
        self._ticks = 0
        """Backticks in the current line."""

    def add(self, text: str) -> Split:
        """Return the thoughts before the tag that closes them, as far as they are certain."""
        text = self._before + self._held + text
        position, thoughts = len(self._before), list[str]()
        for found in self._tags.finditer(text, position):
            thoughts.append(self._read(text[position : found.start()]))
            position = found.start()
            inner = found["closing"] is None or self._depth > 0 or self._is_code
            if (inner or may_be_quoted(found)) and found.end() == len(text):
                break  # the next character decides
            if inner or is_quoted(found):
                thoughts.append(self._pass(found))
                position = found.end()
                continue
            self.following = self._then(), text[found.start() if found[0] == FINAL else found.end() :]
            return "", "".join(thoughts)
        else:
            end = max(position, len(text) - LONGEST)
            thoughts.append(self._read(text[position:end]))
            position = end
        self._held = text[position:]
        return "", "".join(thoughts)

    def rest(self, *, cut: bool) -> Split:
        """Return the answer after a doubtful tag, or the end of the thoughts."""
        self._read(self._held)
        self._end_line()
        return ("".join(self._doubtful or ()).lstrip(), "") if self._ended(cut=cut) else ("", self._held)

    def _ended(self, *, cut: bool) -> bool:
        """Return whether a doubtful tag ended the thoughts.

        Text that is cut after inner thoughts belongs to the outer ones, whose closing tag was still to come.
        """
        return self._doubtful is not None and not (cut and self._is_inner)

    def _pass(self, found: re.Match[str]) -> str:
        """Read a tag that does not end the thoughts, and return it."""
        in_code, quoted = self._is_code, is_quoted(found)
        if found.groupdict().get("other"):
            tag = self._read(found[0])
            if stands_alone(found) and not in_code:
                self._doubtful, self._in_code, self._is_inner = [], False, True
            return tag
        if found["closing"] is None:
            begun = bool(self._before.strip())
            self._depth += begun and not (in_code or quoted or is_word(found))
            return self._read(found[0])
        is_inner = self._depth > 0 and not (in_code or quoted)
        self._depth -= is_inner
        tag = self._read(found[0])
        if closes(found) or (in_code and touches(found)) or self._is_doubtful(quoted=quoted):
            self._doubtful, self._in_code, self._is_inner = [], in_code, is_inner
        return tag

    def _is_doubtful(self, *, quoted: bool) -> bool:
        """Return whether a closing tag within a line may end the thoughts after all."""
        return not quoted

    @property
    def _is_code(self) -> bool:
        return self._fenced or self._ticks % 2 == 1

    def _read(self, thought: str) -> str:
        self._before = (self._before + thought)[-LONGEST:]
        for number, line in enumerate(thought.split("\n")):
            if number:
                self._end_line()
            self._ticks += line.count("`")
        if self._doubtful is not None:
            self._doubtful.append(thought)
        return thought

    def _end_line(self) -> None:
        if self._ticks % 2:
            self._fenced ^= self._ticks > 1
            self._in_code &= self._ticks > 1  # a lone backtick begins no code
        self._ticks = 0


class UnopenedThoughts(Thoughts):
    """A text that seems to begin inside the thoughts, since the prompt opened them.

    If no tag closes them, they were the answer.
    """

    def __init__(self, then: Callable[[], Phase], learn: Learn, *, unknown: bool) -> None:
        """Tell ``learn`` whether there was such a tag. ``unknown``: the model may be one that never has any."""
        super().__init__(TAG, "</think>", then)
        self._learn = learn
        self._unknown = unknown
        self._kept: list[str] = []

    def add(self, text: str) -> Split:
        """Return the thoughts before the tag that closes them, as far as they are certain."""
        split = super().add(text)
        if self.following is not None:
            self._learn(OPENED)
        return split

    def rest(self, *, cut: bool) -> Split:
        """Return all of the text as the answer, unless a tag closed the thoughts or they used up all tokens."""
        split = super().rest(cut=cut)
        if self._ended(cut=cut):
            self._learn(OPENED)
            return split
        if cut and not self._unknown:
            return "", self._held
        self._learn(PLAIN)
        return "".join(self._kept), ""

    def _ended(self, *, cut: bool) -> bool:
        return super()._ended(cut=cut) and (self._fenced or not self._in_code)

    def _is_doubtful(self, *, quoted: bool) -> bool:  # noqa: ARG002  # an answer may mention the tag
        return False

    def _read(self, thought: str) -> str:
        self._kept.append(thought)
        return super()._read(thought)
