"""Reads subtitles (srt, vtt): what is said, without the times and marks of how it is shown."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from orbit.documents.sections import Content, Section

_TIME = r"(?:\d+:)?\d{1,2}:\d{2}[.,]\d{1,3}"
_TIMES = re.compile(rf"^[ \t]*{_TIME}[ \t]*-->[ \t]*{_TIME}.*$")
_UNSPOKEN = re.compile(r"(?:WEBVTT|NOTE|STYLE|REGION)\b")
"""What begins a block of a vtt file that is no cue."""
_SPEAKER = re.compile(r"<v(?:\.[^\s<>]*)?[ \t]([^<>]+)>")
_MARK = re.compile(rf"</?(?:[bicuv]|ruby|font|lang)\b[^<>]*>|<rt>[^<>]*</rt>|<{_TIME}>|\{{\\[^{{}}]*\}}", re.IGNORECASE)
"""Styles, the reading of characters above them, and times within a cue."""


def read_subtitles(text: str) -> Content:
    """Read the cues in order, a line for each of theirs. A line that stays on screen for several cues is told once."""
    lines: list[str] = []
    for line in _said(text):
        if line not in lines[-2:]:
            lines.append(line)
    return Content((Section("\n".join(lines)),))


def _said(text: str) -> Iterator[str]:
    """Yield the lines of all cues."""
    marked = text.startswith("WEBVTT")
    for block in re.split(r"\n[ \t]*\n", text):
        lines = block.strip("\n").split("\n")
        if marked and _UNSPOKEN.match(lines[0]):
            continue
        start = next((place for place, line in enumerate(lines[:2], 1) if _TIMES.match(line)), 0)
        for line in lines[start:]:
            plain = " ".join(html.unescape(_MARK.sub("", _SPEAKER.sub(r"\1: ", line))).split())
            if plain and not _TIMES.match(plain):
                yield plain
