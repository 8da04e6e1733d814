"""Answers in the harmony format (gpt-oss): messages of several channels, of which one is the answer."""

from __future__ import annotations

import re
from typing import Final, Literal

from orbit.thinking.phase import Phase, Split
from orbit.thinking.tags import FINAL

_NAMES: Final = ("start", "channel", "message", "end", "return", "call", "constrain")
_MARK: Final = re.compile(rf"<\|({'|'.join(_NAMES)})\|>")
MARKS: Final = tuple(f"<|{name}|>" for name in _NAMES)
PROMPT_END: Final = "<|start|>assistant"
"""The end of a prompt in the harmony format."""
BEGINNINGS: Final = (
    "<|channel|>",
    "<|start|>assistant<|channel|>",
    "<|start|>assistant<|message|>",
    "analysis<|message|>",
    "commentary<|message|>",
    "final<|message|>",
)
"""Beginnings of an answer; they depend on how much of it the prompt contains."""
STRIPPED: Final = ("analysis", "assistantfinal")
"""Remains of the marks when a server removes the special tokens: "analysisThe user ...assistantfinal"."""


class Harmony(Phase):
    """Messages whose headers name their channels. Text that continues after them without marks is the answer."""

    def __init__(self) -> None:
        """Begin with the header of a message."""
        self._part: Literal["header", "between", "final", "other"] = "header"
        self._header = ""
        self._held = ""

    def add(self, text: str) -> Split:
        """Add ``text``; hold back only what may be the beginning of a mark."""
        self._held += text
        answer, thoughts = "", ""
        while True:
            found = _MARK.search(self._held)
            end = _certain(self._held) if found is None else found.start()
            text, self._held = self._held[:end], self._held[end:]
            if self._part == "between" and (text := text.lstrip()):
                self._part = "final"  # the text continues without marks
            if self._part == "header":
                self._header += text
            elif self._part == "final":
                answer += text
            elif self._part == "other":
                thoughts += text
            if found is None:
                return answer, thoughts
            self._held = self._held[len(found[0]) :]
            self._read(found[1])

    def _read(self, mark: str) -> None:
        if mark in ("start", "channel"):
            self._part, self._header = "header", ""
        elif mark == "message":
            words = self._header.split()
            self._part = "final" if not words or words[0] in ("final", "assistant") else "other"
        elif mark != "constrain":
            self._part = "between"
        self.end_mark = f"<|end|>{PROMPT_END}{FINAL}" if self._part == "other" else ""

    def rest(self, *, cut: bool) -> Split:  # noqa: ARG002  # the channel of a message is known, however it ends
        """Return the beginning of a mark that did not become one."""
        return ("", self._held) if self._part in ("header", "other") else (self._held, "")


def _certain(text: str) -> int:
    """Return how many characters of a text cannot be the beginning of a mark."""
    start = text.rfind("<")
    return start if start >= 0 and any(mark.startswith(text[start:]) for mark in MARKS) else len(text)
