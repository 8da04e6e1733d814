"""Looks at the tags of an HTML file before it is parsed: parsing some hostile ones would take very long."""

from __future__ import annotations

import re

from orbit.documents.formats.html.nodes import BLOCKS, SILENT, collapse

_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
_OPEN_ENDED = frozenset(
    """
    area base br col embed hr img input link meta param source track wbr p li td th tr dd dt option optgroup thead
    tbody tfoot colgroup html head body
    """.split()  # noqa: SIM905  # a list would take a line for each
)
"""Elements without an end, or that end where another begins."""
_DEEPEST = 2_000
"""Elements that may be open at once. Browsers stop at 512."""
_LONGEST_TAG = 50_000
_MOST_ATTRIBUTES = 2_000


def is_too_deep(text: str) -> bool:
    """Whether more elements are open at once, or more attributes in a tag, than any real page has.

    The standard's rules look at all open elements for each new one, so that the time grows with their square.
    """
    depth = 0
    for end, name in _TAG.findall(text):
        if name.lower() not in _OPEN_ENDED:
            depth = max(0, depth - 1) if end else depth + 1
            if depth > _DEEPEST:
                return True
    return any(
        len(tag) > _LONGEST_TAG and tag.partition(">")[0].count("=") > _MOST_ATTRIBUTES for tag in text.split("<")
    )


def without_tags(text: str) -> str:
    """Return the text between tags, a line for each block."""
    parts: list[str] = []
    silent = ""
    for piece in text.split("<"):
        tag, closed, rest = piece.partition(">")
        end, name = tag.startswith("/"), re.match(r"/?([a-zA-Z0-9]*)", tag)
        element = name.group(1).lower() if name else ""
        if silent:
            if end and element == silent:
                silent = ""
            else:
                continue
        elif element in SILENT and not end:
            silent = element
            continue
        if not closed:
            rest = tag if not parts else ""
        parts.append("\n" if element in BLOCKS or element == "br" else "")
        parts.append(rest)
    lines = (collapse(line) for line in "".join(parts).split("\n"))
    return "\n".join(line for line in lines if line)
