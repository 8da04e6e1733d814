"""Numbers that Word gives to paragraphs of lists and headings: "3.", "b)", "IV"."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from orbit.documents.formats.list_labels import BULLET, formatted, in_words
from orbit.documents.formats.office.package import Element, attribute, child, descendants, is_on, local, number

_PLACE = re.compile(r"%([1-9])")


class Level(msgspec.Struct, frozen=True):
    """How the paragraphs of one level are numbered. ``text`` is such as ``%1.%2)``."""

    format: str = "decimal"
    text: str = ""
    start: int = 1
    legal: bool = False
    style: str = ""
    restart: int | None = None
    """The deepest level, from 1, that makes it count from the start again; 0 for none. None: any level above."""


class Numbering:
    """The lists of a document and how far each has counted."""

    def __init__(self, root: Element, lists_of_styles: Mapping[str, str], *, in_english: bool = True) -> None:
        self._write = in_words if in_english else formatted
        abstracts = {attribute(item, "abstractNumId"): item for item in root if local(item) == "abstractNum"}
        numbers = {attribute(item, "numId"): item for item in root if local(item) == "num"}
        self._levels: dict[str, dict[int, Level]] = {}
        self._family: dict[str, str] = {}
        self._restarts: dict[str, dict[int, int]] = {}
        self._counts: dict[str, dict[int, int]] = {}
        for name, item in numbers.items():
            family = attribute(child(item, "abstractNumId"), "val")
            abstract = abstracts.get(family)
            if (linked := attribute(child(abstract, "numStyleLink"), "val")) and linked in lists_of_styles:
                other = numbers.get(lists_of_styles[linked])
                family = attribute(child(other, "abstractNumId"), "val", family)
                abstract = abstracts.get(family)
            self._family[name] = family
            levels = _levels(abstract)
            restarts = {}
            for override in descendants(item, "lvlOverride"):
                depth = _int(attribute(override, "ilvl"))
                levels |= _levels(override)
                if (start := child(override, "startOverride")) is not None:
                    restarts[depth] = _int(attribute(start, "val"), 1)
            self._levels[name], self._restarts[name] = levels, restarts

    def level_of_style(self, name: str, style: str) -> int:
        """Return the level that a list gives to paragraphs of a style."""
        return next((depth for depth, level in self._levels.get(name, {}).items() if level.style == style), 0)

    def count(self, name: str, depth: int) -> str:
        """Count a paragraph of a list and return its number: a dash for a bullet, empty for none."""
        level = self._levels.get(name, {}).get(depth)
        if level is None:
            return BULLET if name in self._levels else ""
        counts = self._counts.setdefault(self._family[name], {})
        restarts = self._restarts[name]
        if depth in restarts:
            counts[depth] = restarts.pop(depth)
        else:
            counts[depth] = counts.get(depth, level.start - 1) + 1
        for deeper in [other for other in counts if other > depth]:
            restart = self._levels[name].get(deeper, Level()).restart
            if restart is None or depth < restart:
                del counts[deeper]
        if level.format == "bullet":
            return BULLET
        if level.format == "none":
            return _PLACE.sub("", level.text).strip()

        def shown(place: re.Match[str]) -> str:
            at = int(place[1]) - 1
            of = self._levels[name].get(at, Level())
            return self._write(counts.get(at, of.start), "decimal" if level.legal else of.format)

        return _PLACE.sub(shown, level.text).strip()


def _levels(parent: Element | None) -> dict[int, Level]:
    found = {}
    for item in parent if parent is not None else ():
        if local(item) == "lvl":
            found[_int(attribute(item, "ilvl"))] = Level(
                attribute(child(item, "numFmt"), "val", "decimal"),
                attribute(child(item, "lvlText"), "val"),
                _int(attribute(child(item, "start"), "val"), 1),
                is_on(item, "isLgl"),
                attribute(child(item, "pStyle"), "val"),
                number(child(item, "lvlRestart"), "val", None),
            )
    return found


def _int(text: str, default: int = 0) -> int:
    try:
        return int(text)
    except ValueError:
        return default
