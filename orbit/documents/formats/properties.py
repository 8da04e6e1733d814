"""Reads properties files of Java, whose letters beyond Latin-1 are often written as their numbers."""

from __future__ import annotations

import re

from orbit.documents.sections import Content, Section

_ESCAPED = re.compile(r"(\\\\)|(?:\\u[0-9a-fA-F]{4})+")
"""A backslash that stands for itself, or letters by their numbers."""


def read_properties(text: str) -> Content:
    """Read a file line by line, with letters for their numbers."""
    return Content((Section(_ESCAPED.sub(_letters, text), kind="code", metadata={"line": 1}),))


def _letters(escaped: re.Match[str]) -> str:
    if escaped[1]:
        return escaped[0]
    units = bytes.fromhex(escaped[0].replace("\\u", ""))
    letters = units.decode("utf-16-be", "replace")
    return letters if letters.isprintable() else escaped[0]
