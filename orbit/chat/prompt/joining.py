"""Passages joined with those beside them in their source."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

import msgspec

from orbit.chat.locations import heading_of
from orbit.types import Document

_RULE = re.compile(r"[\s|:+=-]*-[\s|:+=-]*")
"""The line between a table's header and its rows."""
_TABLE = re.compile(r"\s*\|")
_SHORTEST = 12
"""Characters that two passages share at the least where they overlap: fewer are chance."""


class Joined(Document, frozen=True, kw_only=True):
    """A passage whose text has its neighbours' as well."""

    alone: Document
    """The passage itself, for prompts that have no room for more."""


def joined(passage: Document, before: Sequence[Document], after: Sequence[Document]) -> Document:
    """Return a passage with those before and after it, whose headings, table headers and overlaps are there once."""
    if not before and not after:
        return passage
    parts = (*before, passage, *after)
    text = parts[0].text
    for one, other in itertools.pairwise(parts):
        text += _continuation(one, other)
    return Joined(**{**msgspec.structs.asdict(passage), "text": text}, alone=passage)


def _continuation(one: Document, other: Document) -> str:
    """Return what a passage adds to the one before it, with the space between them."""
    (above, body), (same, more) = _headings(one), _headings(other)
    if above != same:
        return f"\n\n{other.text}"
    rows = _rows(body, more)
    if rows is not None:
        return f"\n{rows}"
    shared = next((size for size in range(len(more), _SHORTEST - 1, -1) if body.endswith(more[:size])), 0)
    return more[shared:] if shared else f"\n\n{more}"


def _headings(document: Document) -> tuple[str, str]:
    """Return the headings with which ingestion begins a passage, and the rest."""
    above, found, rest = document.text.partition("\n\n")
    last = heading_of(document) or document.title
    return (above, rest) if found and last and "\n" not in above and above.endswith(last) else ("", document.text)


def _rows(body: str, more: str) -> str | None:
    """Return the rows of a table that continues another one; None if it does not."""
    lines, others = body.split("\n"), more.split("\n")
    if not (_TABLE.match(lines[-1]) and _TABLE.match(others[0])):
        return None
    alike = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(lines, others, strict=False)))
    rules = [place for place, line in enumerate(others[:alike]) if _RULE.fullmatch(line)]
    return "\n".join(others[rules[0] + 1 :]) if rules else None
