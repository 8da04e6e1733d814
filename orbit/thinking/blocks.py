"""Blocks of thoughts in forms that answers have as well: elements of HTML or XML, code blocks and phrases."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from orbit.thinking.phase import Phase, Split
from orbit.thinking.tags import LONGEST


class _Form(NamedTuple):
    """How a block begins and ends."""

    opening: re.Pattern[str]
    edge: re.Pattern[str]
    """The end of a block, or (in the group ``inner``) the beginning of one within it."""
    unfinished: re.Pattern[str]
    """The beginning of ``opening``."""
    may_be_answer: bool
    """Whether a block that nothing follows is the answer."""


def _form(opening: str, edge: str, unfinished: str, *, may_be_answer: bool = True) -> _Form:
    flags = re.IGNORECASE | re.MULTILINE
    return _Form(re.compile(opening, flags), re.compile(edge, flags), re.compile(unfinished, flags), may_be_answer)


_DETAILS: Final = r"<details(?:\s[^<>]{0,200})?"
_SUMMARY: Final = r"<summary>\s*(?:thought for \d[^<]{0,30}|thinking[.…]{0,3})\s*</summary>"
_FORMS: Final = (
    _form(  # Open WebUI
        rf"{_DETAILS}\stype=[\"']?reasoning\b[^<>]{{0,200}}>|{_DETAILS}>\s*{_SUMMARY}",
        r"</details>|(?P<inner><details\b)",
        rf"{_DETAILS}(?:>\s*(?:<[a-z]{{0,7}}|<summary>[^<]{{0,80}}(?:</?[a-z]{{0,7}})?)?)?",
        may_be_answer=False,
    ),
    _form(r"<analysis>", r"</analysis>|(?P<inner><analysis>)", r"<[a-z]{0,8}"),
    _form(
        r"```[ \t]*(?:think|thinking|thoughts?|reasoning)[ \t]*\n",
        r"^```[ \t]*$|(?P<inner>^```[ \t]*\w)",
        r"`{1,3}|```[ \t]*[a-z]{0,9}[ \t]*",
    ),
    _form(  # Granite
        r"here(?: is|['\u2019]s) my thought process:", r"here(?: is|['\u2019]s) my response:", r"(?!)"
    ),
)
_PHRASES: Final = tuple(f"here{verb} my thought process:" for verb in (" is", "'s", "\u2019s"))
_FIRST: Final = "<`Hh"
"""First characters of blocks."""


def block(begun: str, then: Callable[[], Phase]) -> tuple[Phase, str] | None:
    """Return the phase of the block that a text begins with, and the text within it; None if there is no block."""
    for form in _FORMS if begun[:1] in _FIRST else ():
        if opening := form.opening.match(begun):
            return Block(form, opening[0], then), begun[opening.end() :]
    return None


def may_be_block(begun: str) -> bool:
    """Return whether a text may become a block, so that more of it is needed."""
    if begun[:1] not in _FIRST:
        return False
    start = begun[:LONGEST].lower()
    return any(phrase.startswith(start) for phrase in _PHRASES) or any(
        form.unfinished.fullmatch(begun) for form in _FORMS
    )


class Block(Phase):
    """Thoughts in a block. If nothing closes it, or nothing follows it, it may be the answer."""

    def __init__(self, form: _Form, opening: str, then: Callable[[], Phase]) -> None:
        self._form = form
        self._then = then
        self._kept = [opening]
        self._before = opening[-1]
        """The last character that was read."""
        self._held = ""
        self._depth = 0

    def add(self, text: str) -> Split:
        """Return the thoughts before the end of the block, as far as they are certain."""
        text = self._before + self._held + text
        position = 1
        for edge in self._form.edge.finditer(text, position):
            if edge.end() == len(text):
                break  # the next character decides
            if not edge.lastgroup and not self._depth:
                self._kept.append(text[1 : edge.end()])
                self.following = _AfterBlock(self._whole(), self._then()), text[edge.end() :]
                return "", text[1 : edge.start()]
            self._depth += 1 if edge.lastgroup else -1
            position = edge.end()
        certain = max(position, len(text) - LONGEST)
        thoughts, self._before, self._held = text[1:certain], text[certain - 1], text[certain:]
        self._kept.append(thoughts)
        return "", thoughts

    def rest(self, *, cut: bool) -> Split:
        """Return all of the block if it may be the answer, unless it used up all tokens."""
        self._kept.append(self._held)
        return ("", self._held) if cut else (self._whole(), "")

    def _whole(self) -> str:
        return "".join(self._kept) if self._form.may_be_answer else ""


class _AfterBlock(Phase):
    """The white space after a block."""

    def __init__(self, whole: str, then: Phase) -> None:
        self._whole = whole
        self._then = then

    def add(self, text: str) -> Split:
        """Go on with the answer once it begins."""
        if text.strip():
            self.following = self._then, text.lstrip()
        return "", ""

    def rest(self, *, cut: bool) -> Split:  # noqa: ARG002  # the block was complete
        """Return the block as the answer: it had no other."""
        return self._whole, ""
