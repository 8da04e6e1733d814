"""Texts of drawings in Office files: paragraphs with their numbers, and charts as tables."""

from __future__ import annotations

import re
from collections.abc import Sequence

from orbit.documents.formats.list_labels import formatted
from orbit.documents.formats.office.package import Element, attribute, child, descendants, local, number
from orbit.documents.formats.titles import picture_text

_FORMS = {
    "arabic": "decimal",
    "alphaLc": "lowerLetter",
    "alphaUc": "upperLetter",
    "romanLc": "lowerRoman",
    "romanUc": "upperRoman",
}
_TYPE = re.compile(r"([a-z]+(?:Lc|Uc)?)(ParenBoth|ParenR|Period|Plain|)\Z")
_WRITTEN = {"ParenBoth": "({}) ", "ParenR": "{}) ", "Plain": "{} "}


def text_of(root: Element) -> str:
    """Return the paragraphs of a shape, a line each."""
    paragraphs: list[str] = []
    counts: dict[int, int] = {}
    for paragraph in descendants(root, "p"):
        parts = (("\n" if local(run) == "br" else run.text or "") for run in descendants(paragraph, "t", "br"))
        if text := "".join(parts).strip():
            paragraphs.append(_number(child(paragraph, "pPr"), counts) + text)
    return "\n".join(paragraphs)


def described(shape: Element) -> str:
    """Return the text that stands for a picture, a chart or a diagram; empty without one."""
    return picture_text(attribute(next(descendants(shape, "cNvPr"), None), "descr"))


def chart_of(root: Element) -> str:
    """Return the title of a chart, and its values: a line for each category, with the names of the series above."""
    title = child(root, "chart", "title")
    lines = [text_of(title)] if title is not None else []
    series = list(descendants(root, "ser"))
    names = [" ".join(_values(child(one, "tx"))) for one in series]
    columns = [_values(_first(one, "val", "yVal")) for one in series]
    labels = max((_values(_first(one, "cat", "xVal")) for one in series), key=len, default=[])
    if any(names):
        lines.append(" | ".join(["", *names] if labels else names).strip())
    for row in range(max(map(len, columns), default=0)):
        cells = [column[row] if row < len(column) else "" for column in columns]
        lines.append(" | ".join([labels[row], *cells] if row < len(labels) else cells))
    return "\n".join(filter(None, lines))


def _first(series: Element, *names: str) -> Element | None:
    return next((found for name in names if (found := child(series, name)) is not None), None)


def _values(parent: Element | None) -> Sequence[str]:
    """Return the values that the file keeps of a range of cells, by their place."""
    if parent is None:
        return []
    points = list(descendants(parent, "pt"))
    if not points:
        return [item.text or "" for item in descendants(parent, "v")]
    values = {
        number(point, "idx", at): "".join(item.text or "" for item in descendants(point, "v"))
        for at, point in enumerate(points)
    }
    return [values.get(at, "") for at in range(min(max(values) + 1, len(points) + 100))]


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
