"""Reads calendars (ics) and address cards (vcf): a section for each entry, with its lines whole."""

from __future__ import annotations

import quopri
import re

from orbit.documents.sections import Content, Section

_FOLD = re.compile(r"\n[ \t]")
"""Programs fold lines after 75 bytes, in the middle of a word."""
_QUOTED = re.compile(
    r"^([^:\n]*);ENCODING=QUOTED-PRINTABLE([^:\n]*):((?:[^\n]*=\n)*[^\n]*)$", re.MULTILINE | re.IGNORECASE
)
"""A line of old cards. Its value may go on after an equals sign at the end."""
_BINARY = re.compile(r"^[^:\n]*(?:;ENCODING=(?:B|BASE64)\b[^:\n]*:|:data:)[^\n]*\n?", re.MULTILINE | re.IGNORECASE)
"""A picture or another file."""
_ENTRY = re.compile(r"^(?=BEGIN:(?:VEVENT|VTODO|VJOURNAL|VCARD)\b)", re.MULTILINE | re.IGNORECASE)
_ESCAPED = re.compile(r"\\([nN,;\\])")
_TITLE = re.compile(r"^(?:SUMMARY|FN)\b[^:\n]*:(.+)$", re.MULTILINE | re.IGNORECASE)


def read_cards(text: str) -> Content:
    """Read the entries in order. An entry's title is its summary or name."""
    whole = _BINARY.sub("", _FOLD.sub("", _QUOTED.sub(_unquoted, text)))
    return Content(tuple(_section(entry) for entry in _ENTRY.split(whole) if entry.strip()))


def _section(entry: str) -> Section:
    plain = _ESCAPED.sub(lambda sign: "\n" if sign[1] in "nN" else sign[1], entry).strip()
    title = _TITLE.search(entry)
    return Section(plain, title=_ESCAPED.sub(r"\1", title[1]).strip() if title else "")


def _unquoted(line: re.Match[str]) -> str:
    value = quopri.decodestring(line[3].encode()).decode("utf-8", "replace")
    return f"{line[1]}{line[2]}:{' '.join(value.split())}"
