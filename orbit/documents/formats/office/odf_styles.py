"""Styles of OpenDocument texts: how lists and headings are numbered, and which paragraph is the title."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from orbit.documents.formats.list_labels import BULLET, FORMS, formatted
from orbit.documents.formats.office.package import Element, attribute, child, descendants, local, number

_DEEPEST = 20
"""Styles based on each other."""

_FAMILIES = {"span": "text", "p": "paragraph", "h": "paragraph", "table-cell": "table-cell"}
"""The styles of elements, by their names."""
_STRUCK, _HIDDEN = "text-line-through-style", "display"

Counts = dict[int, int]
"""How far each level of a list has counted."""


class _Level(msgspec.Struct, frozen=True):
    form: str
    prefix: str
    suffix: str
    start: int
    shown: int
    """How many levels the number names."""


class Styles:
    """The styles of a document, of its parts ``styles.xml`` and ``content.xml``."""

    def __init__(self, *roots: Element) -> None:
        self._lists: dict[str, dict[int, _Level]] = {}
        self._above: dict[str, str] = {}
        self._list_of: dict[str, str] = {}
        self._kept: dict[str, Counts] = {}
        self._headings: Counts = {}
        looks: dict[tuple[str, str], tuple[str, str, str]] = {}
        self._outline: dict[int, _Level] = {}
        for item in (item for root in roots for item in root.iter()):
            if local(item) == "list-style":
                self._lists[attribute(item, "name")] = _levels(item)
            elif local(item) == "outline-style":
                self._outline = _levels(item)
            elif local(item) == "style":
                look, name = child(item, "text-properties"), attribute(item, "name")
                above = attribute(item, "parent-style-name")
                looks[attribute(item, "family"), name] = above, attribute(look, _STRUCK), attribute(look, _HIDDEN)
                if attribute(item, "family") == "paragraph":
                    self._above[name] = above
                    self._list_of[name] = attribute(item, "list-style-name")
        self._struck = {one for one in looks if _look(looks, one, 1) not in {"", "none"}}
        self._hidden = {one for one in looks if _look(looks, one, 2) == "none"}

    def is_title(self, paragraph: Element) -> bool:
        """Whether a paragraph is the title of the document."""
        return next((name == "Title" for name in self._chain(paragraph) if name in {"Title", "Subtitle"}), False)

    def strikes(self, item: Element) -> bool:
        """Whether a paragraph, a part of a line or a cell is struck out."""
        return bool(self._struck) and (_FAMILIES.get(local(item)), attribute(item, "style-name")) in self._struck

    def hides(self, item: Element) -> bool:
        """Whether a section, a paragraph or a part of a line is not shown."""
        if local(item) == "section":
            return attribute(item, "display") == "none"
        return bool(self._hidden) and (_FAMILIES.get(local(item)), attribute(item, "style-name")) in self._hidden

    def begin(self, items: Element) -> Counts:
        """Return the counts of an outermost list: new ones, unless it continues another."""
        name, style = attribute(items, "id"), f"\0{attribute(items, 'style-name')}"
        before = attribute(items, "continue-list")
        if not before and attribute(items, "continue-numbering") == "true":
            before = style
        counts = self._kept.get(before, {}) if before else {}
        self._kept[style] = counts
        if name:
            self._kept[name] = counts
        return counts

    def count(self, item: Element, style: str, depth: int, counts: Counts) -> str:
        """Count an item of a list and return its number; a dash for a bullet."""
        if style not in self._lists:
            first = next(descendants(item, "p", "h"), None)
            named = (self._list_of.get(name) for name in (self._chain(first) if first is not None else ()))
            style = next(filter(None, named), "")
        levels = self._lists.get(style, {})
        level = levels.get(depth)
        counts[depth] = number(item, "start-value", counts.get(depth, (level.start if level else 1) - 1) + 1)
        return _number(levels, depth, counts) or BULLET

    def heading(self, item: Element, depth: int) -> str:
        """Count a heading and return its number; empty for none."""
        level = self._outline.get(depth)
        if level is None or attribute(item, "is-list-header") == "true":
            return ""
        self._headings[depth] = self._headings.get(depth, level.start - 1) + 1
        return _number(self._outline, depth, self._headings)

    def _chain(self, paragraph: Element) -> Iterator[str]:
        """Yield the style of a paragraph and those it is based on."""
        name = attribute(paragraph, "style-name")
        for _ in range(_DEEPEST):
            if not name:
                return
            yield name
            name = self._above.get(name, "")


def _look(looks: Mapping[tuple[str, str], tuple[str, str, str]], style: tuple[str, str], number: int) -> str:
    """Return a property of a style, or of the nearest that it is based on; empty if none has it."""
    for _ in range(_DEEPEST):
        found = looks.get(style)
        if found is None or found[number]:
            return found[number] if found is not None else ""
        style = style[0], found[0]
    return ""


def _levels(style: Element) -> dict[int, _Level]:
    return {
        number(item, "level", 1): _Level(
            FORMS[form],
            attribute(item, "num-prefix"),
            attribute(item, "num-suffix"),
            number(item, "start-value", 1),
            number(item, "display-levels", 1),
        )
        for item in style
        if (form := attribute(item, "num-format")) in FORMS
    }


def _number(levels: dict[int, _Level], depth: int, counts: Counts) -> str:
    for deeper in [other for other in counts if other > depth]:
        del counts[deeper]
    level = levels.get(depth)
    if level is None:
        return ""
    shown = [at for at in range(max(1, depth - level.shown + 1), depth + 1) if at in levels]
    numbers = (formatted(counts.get(at, levels[at].start), levels[at].form) for at in shown)
    return f"{level.prefix}{'.'.join(numbers)}{level.suffix}".strip()
