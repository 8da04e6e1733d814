"""The forms of an answer: as it comes, between marks, or held back as a whole."""

from __future__ import annotations

from typing import Final

from orbit.thinking.phase import OPENED, PLAIN, Learn, Phase, Split
from orbit.thinking.tags import LONGEST, TAG, WINDOW, at_line_start, closes, unopened

_MOST_HELD: Final = 400_000
"""Characters of an answer to hold back at most."""


class Answer(Phase):
    """An answer as it comes. Tags in it stay where they are."""

    def add(self, text: str) -> Split:
        """Return all of the text."""
        return text, ""

    def rest(self, *, cut: bool) -> Split:  # noqa: ARG002  # nothing is held back
        """Return nothing."""
        return "", ""


class WatchedAnswer(Answer):
    """An answer as it comes, of a model that may open its thoughts in the prompt.

    A closing tag that nothing opened means that later answers of the model will have one as well; text that has already
    been sent cannot be recalled. The first tag decides. An odd number of backticks before it means that it is part of
    code.
    """

    def __init__(self, learn: Learn) -> None:
        """Tell ``learn`` what is found."""
        self._learn = learn
        self._watches = True
        self._window = ""
        self._suspects = False
        self._ticks = 0

    def add(self, text: str) -> Split:
        """Return all of the text."""
        if self._watches:
            self._watch(text)
        return text, ""

    def rest(self, *, cut: bool) -> Split:
        """Return nothing, and tell that no tag was there."""
        if self._watches:
            self._learn(PLAIN)
        return super().rest(cut=cut)

    def _watch(self, text: str) -> None:
        self._window += text
        if "<" in text or "[" in text or "◁" in text:
            self._suspects = True
        if self._suspects:
            window = self._window
            found = TAG.search(window)
            if found is not None and (found.end() < len(window) or at_line_start(found)):
                self._watches = False
                if closes(found) and not (self._ticks + window.count("`", 0, found.start())) % 2:
                    self._learn(OPENED)
                return
        if len(self._window) > WINDOW:
            keep = len(self._window) - 2 * LONGEST
            self._ticks += self._window.count("`", 0, keep)
            self._window, self._suspects = self._window[keep:], any(sign in self._window[keep:] for sign in "<[◁")


class WholeAnswer(Phase):
    """An answer that is held back until its end, for clients that do not stream.

    A closing tag that nothing opened makes the text before it thoughts.
    """

    def __init__(self, learn: Learn) -> None:
        """Tell ``learn`` whether there was such a tag."""
        self._learn = learn
        self._kept: list[str] = []
        self._size = 0

    def add(self, text: str) -> Split:
        """Keep the text, unless it is too much: an answer without end must not fill the memory."""
        self._kept.append(text)
        self._size += len(text)
        if self._size <= _MOST_HELD:
            return "", ""
        self.following = Answer(), ""
        return self.rest(cut=False)

    def rest(self, *, cut: bool) -> Split:  # noqa: ARG002  # what is closed are thoughts, however the answer ends
        """Return the whole text."""
        text = "".join(self._kept)
        found = unopened(text)
        self._learn(found is not None)
        return (text, "") if found is None else (text[found.end() :].lstrip(), text[: found.start()])


class MarkedAnswer(Phase):
    """An answer between marks, which are removed with the white space beside them."""

    def __init__(self, end: str) -> None:
        """Read until ``end``, in lower case."""
        self._end = end
        self._held = ""
        self._begun = False

    def add(self, text: str) -> Split:
        """Return the text before what may be the mark at the end of the answer, and white space before it."""
        self._held += text
        if not self._begun:
            self._held = self._held.lstrip()
            self._begun = bool(self._held)
        start = self._held.rfind("<")
        may_end = start >= 0 and self._end.startswith(self._held[start:].rstrip().lower())
        end = len((self._held[:start] if may_end else self._held).rstrip())
        said, self._held = self._held[:end], self._held[end:]
        return said, ""

    def rest(self, *, cut: bool) -> Split:  # noqa: ARG002  # the mark may be missing in both cases
        """Return what did not become the mark."""
        return ("" if self._held.strip().lower() == self._end else self._held), ""
