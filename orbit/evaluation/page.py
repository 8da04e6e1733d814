"""Shows an evaluation as one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from orbit.errors import OrbitError
from orbit.evaluation.asking import Asked
from orbit.evaluation.figures import Figure, Group, Judged, Row, groups, rows
from orbit.evaluation.judging import NAMES
from orbit.evaluation.questions import Fact

_SHOWN_PASSAGES = 5


def page(collection: str, runs: Sequence[tuple[str, Sequence[Asked], Judged]]) -> str:
    """Return the page of one configuration, or of two side by side: name, outcomes, measures. Raises OrbitError."""
    try:
        from jinja2 import Environment  # noqa: PLC0415  # only --html needs it
    except ModuleNotFoundError as error:
        raise OrbitError("--html needs the package 'jinja2': pip install 'orbit-inference[eval]'") from error
    template = (files("orbit.evaluation") / "page.html").read_text("utf-8")
    measures = rows([judged for _, _, judged in runs])
    names = [row.name for row in measures]
    return (
        Environment(autoescape=True)
        .from_string(template)
        .render(
            collection=collection,
            moment=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            questions=runs[0][1],
            compared=any(row.difference for row in measures),
            rows=[_row(row) for row in measures],
            names=names,
            runs=[_run(name, asked, judged, names) for name, asked, judged in runs],
        )
    )


def shown(figure: Figure | None) -> str:
    """Return a figure for people."""
    if figure is None:
        return "-"
    return f"{figure.mean:.0f}" if figure.name.endswith("_ms") or figure.name == "tokens" else f"{figure.mean:.3f}"


def _row(row: Row) -> dict[str, Any]:
    one = row.difference
    return {
        "name": row.name,
        "meaning": NAMES[row.name],
        "values": [shown(figure) for figure in row.figures],
        "difference": f"{one.mean:+.3g}" if one else "",
        "interval": f"{one.low:+.3g} to {one.high:+.3g}" if one else "",
        "sure": one is not None and (one.low > 0 or one.high < 0),
        "questions": row.questions,
    }


def _run(name: str, asked: Sequence[Asked], judged: Judged, names: Sequence[str]) -> dict[str, Any]:
    questions = [one.question for one in asked]
    return {
        "name": name,
        "groups": [
            ("language", _cells(groups(questions, judged, lambda one: one.language), names)),
            ("file", _cells(groups(questions, judged, lambda one: one.sources[0] if one.sources else ""), names)),
        ],
        "questions": [_question(one, measures) for one, measures in zip(asked, judged, strict=True)],
    }


def _cells(found: Sequence[Group], names: Sequence[str]) -> list[dict[str, Any]]:
    rows = []
    for group in found:
        by_name = {figure.name: figure for figure in group.figures}
        rows.append({"name": group.name, "values": [shown(by_name.get(name)) for name in names]})
    return rows


def _question(one: Asked, measures: Any) -> dict[str, Any]:
    wrong = one.error or any(measures.get(name) == 0 for name in ("R@1", "kept", "refused", "facts"))
    return {
        "mark": "✗" if wrong else "✓",
        "question": one.question.asked,
        "error": one.error,
        "answer": one.answer,
        "right": ", ".join((*one.question.sources, *map(_shown_fact, one.question.facts))),
        "found": [f"{item.source}: {item.text[:300]}" for item in one.found[:_SHOWN_PASSAGES]],
    }


def _shown_fact(fact: Fact) -> str:
    return fact if isinstance(fact, str) else " / ".join(fact)
