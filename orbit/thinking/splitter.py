"""Splits the text of one response into answer and thoughts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Self

from orbit.thinking import harmony
from orbit.thinking.beginning import Beginning
from orbit.thinking.phase import Phase, Split
from orbit.thinking.tags import FINAL, TAG, closing_tag, open_tag


class ThinkingSplitter:
    """Splits the text of one response into answer and thoughts.

    Thoughts precede the answer, so a tag later in the text stays where it is. The splitter holds back only what may be
    the beginning of a tag.
    """

    def __init__(
        self,
        *,
        opened: bool = False,
        whole: bool = False,
        unknown: bool = False,
        learn: Callable[[bool], None] | None = None,
    ) -> None:
        """Set up a splitter.

        ``opened``: the prompt ends with the opening tag, so the text begins inside the thoughts. ``whole``: hold the
        answer back until its end, for clients that do not stream. A closing tag without an opening one then still
        removes the text before it from the answer. ``unknown``: do the same for a text that begins like thoughts
        ("Okay, the user ..."). ``learn`` is called with True if there was such a tag, and with False if there was none.
        """
        self._phase: Phase = Beginning(learn, opened=opened, unknown=unknown, whole=whole)

    @classmethod
    def after(cls, prompt: str, *, whole: bool = False) -> Self:
        """Return the splitter for the text after a prompt, which may end inside the thoughts.

        ``whole`` is as in the constructor.
        """
        opening = open_tag(prompt)
        splitter = cls(whole=whole)
        if opening is not None:
            splitter.add(opening[0])
        return splitter

    @staticmethod
    def answer_prefix(prompt: str) -> str:
        """Return the text to append to a prompt so that the answer begins without thoughts; often empty."""
        if prompt.endswith(harmony.PROMPT_END):
            return FINAL
        opening = open_tag(prompt)
        return "" if opening is None else f"\n{closing_tag(opening)}\n\n"

    @staticmethod
    def marks(controls: Iterable[str]) -> frozenset[str]:
        """Return the control tokens that separate thoughts from the answer. The text to split must contain them."""
        known = frozenset(controls)
        marks = harmony.MARKS if "<|channel|>" in known else ()
        return frozenset(text for text in known if text in marks or TAG.fullmatch(text))

    def add(self, text: str) -> Split:
        """Add ``text`` and return everything that is now certain."""
        answer, thoughts = self._phase.add(text)
        while self._phase.following is not None:
            self._phase, left = self._phase.following
            more, thought = self._phase.add(left)
            answer, thoughts = answer + more, thoughts + thought
        return answer, thoughts

    @property
    def thoughts_end(self) -> str:
        """The mark that would end the current thoughts, as the model would write it; empty outside of thoughts."""
        return self._phase.end_mark

    def rest(self, *, cut: bool = False) -> Split:
        """Return the remaining text at the end of the answer. ``cut``: the model ran out of tokens.

        If the model stopped by itself without a closing tag, ``opened`` was wrong: all text then belongs to the answer,
        although ``add`` returned it as thoughts.
        """
        return self._phase.rest(cut=cut)
