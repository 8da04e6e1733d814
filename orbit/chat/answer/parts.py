"""An answer as its parts in order: text, thoughts, and the steps of tools that the server calls."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from orbit.chat.outcome import Ending, Event, ToolStep
from orbit.types import Thought

AnswerPart: TypeAlias = str | Thought | ToolStep


class AnswerParts:
    """Collects the parts of an answer from its events, and joins the text between two others."""

    def __init__(self) -> None:
        self._parts: list[AnswerPart] = []
        self._text: list[str] = []

    def add(self, event: Event) -> None:
        """Take an event, if it is a part of the answer."""
        if isinstance(event, str):
            self._text.append(event)
        elif isinstance(event, Ending):
            self._text.append(event.text)
        elif isinstance(event, Thought | ToolStep):
            self._join()
            self._parts.append(event)

    def all(self) -> tuple[AnswerPart, ...]:
        """Return the parts so far."""
        self._join()
        return tuple(self._parts)

    def _join(self) -> None:
        if text := "".join(self._text):
            self._parts.append(text)
        self._text = []


def text_of(parts: Iterable[AnswerPart]) -> str:
    """Return the whole text."""
    return "".join([part for part in parts if isinstance(part, str)])
