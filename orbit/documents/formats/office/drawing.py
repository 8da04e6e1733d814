"""Texts of drawings in Office files: paragraphs with their numbers, and charts as tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from orbit.documents.formats.list_labels import STRUCK, formatted
from orbit.documents.formats.office.package import Element, Package, attribute, child, descendants, local, number
from orbit.documents.formats.titles import picture_text

_FORMS = {
    "arabic": "decimal",
    "alphaLc": "lowerLetter",
    "alphaUc": "upperLetter",
    "romanLc": "lowerRoman",
    "romanUc": "upperRoman",
}
_TYPE = re.compile(r"([a-z]+(?:Lc|Uc)?)(ParenBoth|ParenR|Period|Plain|)\Z")
_CHARTS = frozenset(("chart", "chartEx"))
_SHAPES = "chartUserShapes"
_NONE = "noStrike"
_MOST_GROUPS = 5
_AXES = ("catAx", "valAx", "dateAx", "serAx", "axis")
_WRITTEN = {"ParenBoth": "({}) ", "ParenR": "{}) ", "Plain": "{} "}


def text_of(root: Element) -> str:
    """Return the paragraphs of a shape, a line each."""
    paragraphs: list[str] = []
    counts: dict[int, int] = {}
    for paragraph in descendants(root, "p"):
        struck = {run for run in descendants(paragraph, "r") if attribute(child(run, "rPr"), "strike", _NONE) != _NONE}
        crossed = {text for run in struck for text in descendants(run, "t")}
        parts = [
            "\n" if local(run) == "br" else f"{STRUCK}{run.text}{STRUCK}" if run in crossed else run.text or ""
            for run in descendants(paragraph, "t", "br")
        ]
        if text := "".join(parts).replace(STRUCK * 2, "").strip():
            paragraphs.append(_number(child(paragraph, "pPr"), counts) + text)
    return "\n".join(paragraphs)


def described(shape: Element) -> str:
    """Return the text that stands for a picture, a chart or a diagram; empty without one."""
    return picture_text(attribute(next(descendants(shape, "cNvPr"), None), "descr"))


def chart_of(root: Element) -> str:
    """Return the titles of a chart and its axes, and a line of values for each category, below the names of the series.

    Charts of newer kinds, such as a waterfall, have their values outside of the series.
    """
    series = list(descendants(root, "ser", "series"))
    apart = {attribute(data, "id"): data for data in descendants(root, "data")}
    data = [apart.get(attribute(child(one, "dataId"), "val"), one) for one in series]
    names = [" ".join(_values(child(one, "tx"))) for one in series]
    columns = [_values(_first(one, "val", "yVal", "numDim")) for one in data]
    labels = max((_values(_first(one, "cat", "xVal", "strDim")) for one in data), key=len, default=[])
    lines = [_title(child(one, "title")) for one in descendants(root, "chart", *_AXES)]
    if any(names):
        lines.append(" | ".join(["", *names] if labels else names).strip())
    for row in range(max(map(len, columns), default=0)):
        cells = [column[row] if row < len(column) else "" for column in columns]
        lines.append(" | ".join([labels[row], *cells] if row < len(labels) else cells))
    return "\n".join(filter(None, lines))


def linked_texts(package: Package, part: str) -> Iterator[str]:
    """Yield the charts and diagrams that a part refers to."""
    for link in package.linked(part):
        if link.kind in _CHARTS:
            yield chart_of(package.xml(link.target))
            yield from (text_of(package.xml(one.target)) for one in package.linked(link.target) if one.kind == _SHAPES)
        elif link.kind == "diagramData":
            yield text_of(package.xml(link.target))


def _title(title: Element | None) -> str:
    return "" if title is None else text_of(title) or " ".join(_values(title))


def _first(series: Element, *names: str) -> Element | None:
    return next((found for name in names if (found := child(series, name)) is not None), None)


def _values(parent: Element | None) -> Sequence[str]:
    """Return the values that the file keeps of a range of cells, by their place, below the names of their groups."""
    if parent is None:
        return []
    inner, *outer = [_points(level) for level in descendants(parent, "lvl")] or [_points(parent)]
    if not inner:
        return [item.text or "" for item in descendants(parent, "v")]
    values = [inner.get(at, "") for at in range(min(max(inner) + 1, len(inner) + 100))]
    for groups in outer[:_MOST_GROUPS]:
        group = ""
        for at, value in enumerate(values):
            group = groups.get(at, group)
            values[at] = f"{group} {value}".strip()
    return values


def _points(level: Element) -> dict[int, str]:
    return {
        number(point, "idx", at): "".join(point.itertext()).strip() for at, point in enumerate(descendants(level, "pt"))
    }


def _number(properties: Element | None, counts: dict[int, int]) -> str:
    """Return the number that is shown before a paragraph. ``counts`` has those of each level so far."""
    level = number(properties, "lvl", 0)
    automatic = child(properties, "buAutoNum")
    for deeper in [other for other in counts if other > level or (other == level and automatic is None)]:
        del counts[deeper]
    if automatic is None:
        return ""
    counts[level] = counts.get(level, number(automatic, "startAt", 1) - 1) + 1
    kind = _TYPE.match(attribute(automatic, "type", "arabicPeriod"))
    form, ending = kind.groups() if kind else ("arabic", "Period")
    return _WRITTEN.get(ending, "{}. ").format(formatted(counts[level], _FORMS.get(form, "decimal")))
