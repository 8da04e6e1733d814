"""Sums up measures: means, groups, and the difference of two configurations with its confidence interval."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

import msgspec

from orbit.evaluation.judging import NAMES
from orbit.evaluation.questions import EvalQuestion

Judged = Sequence[Mapping[str, float]]
"""The measures of each question, in order."""

_SAMPLES = 2_000
_SIDE = 0.025
"""The share of samples outside the interval, on each side: it covers 95 %."""


class Figure(msgspec.Struct, frozen=True):
    """The mean of a measure over the questions that it applies to."""

    name: str
    mean: float
    questions: int


class Group(msgspec.Struct, frozen=True):
    """The figures of the questions that have something in common, such as their language."""

    name: str
    figures: tuple[Figure, ...]


class Difference(msgspec.Struct, frozen=True):
    """How much a measure is higher in the second configuration, on the questions that both have it for.

    ``low`` and ``high`` bound the 95 % confidence interval of a paired bootstrap. If both have the same sign, the
    difference is unlikely to be chance.
    """

    name: str
    mean: float
    low: float
    high: float
    questions: int


class Row(msgspec.Struct, frozen=True):
    """One measure of all configurations."""

    name: str
    figures: tuple[Figure | None, ...]
    """By configuration; None where no question has the measure."""
    difference: Difference | None = None
    """Between two configurations."""

    @property
    def questions(self) -> int:
        """The most questions that one configuration has the measure for."""
        return max(figure.questions for figure in self.figures if figure)


def rows(runs: Sequence[Judged]) -> list[Row]:
    """Return each measure that a configuration has, in the order of ``NAMES``, with the difference of two."""
    means = [{figure.name: figure for figure in figures(judged)} for judged in runs]
    compared = {one.name: one for one in differences(*runs)} if len(runs) == 2 else {}  # noqa: PLR2004  # a pair
    every = [Row(name, tuple(of.get(name) for of in means), compared.get(name)) for name in NAMES]
    return [row for row in every if any(row.figures)]


def figures(judged: Judged) -> tuple[Figure, ...]:
    """Return the mean of each measure, in the order of ``NAMES``."""
    values = {name: [one[name] for one in judged if name in one] for name in NAMES}
    return tuple(Figure(name, fmean(of), len(of)) for name, of in values.items() if of)


def groups(
    questions: Sequence[EvalQuestion], judged: Judged, name_of: Callable[[EvalQuestion], str]
) -> tuple[Group, ...]:
    """Return the figures by group, sorted by name. Questions with an empty name are in none."""
    members: dict[str, list[Mapping[str, float]]] = {}
    for question, measures in zip(questions, judged, strict=True):
        if name := name_of(question):
            members.setdefault(name, []).append(measures)
    return tuple(Group(name, figures(members[name])) for name in sorted(members))


def differences(first: Judged, second: Judged) -> tuple[Difference, ...]:
    """Return the difference of each measure. The same measures always give the same intervals."""
    found = []
    for name in NAMES:
        pairs = [b[name] - a[name] for a, b in zip(first, second, strict=True) if name in a and name in b]
        if pairs:
            found.append(Difference(name, fmean(pairs), *_interval(pairs), len(pairs)))
    return tuple(found)


def _interval(values: Sequence[float]) -> tuple[float, float]:
    if min(values) == max(values):
        return values[0], values[0]
    dice = random.Random(len(values))  # noqa: S311  # no secret; the same run gives the same interval
    means = sorted(fmean(dice.choices(values, k=len(values))) for _ in range(_SAMPLES))
    return means[int(_SAMPLES * _SIDE)], means[int(_SAMPLES * (1 - _SIDE)) - 1]
