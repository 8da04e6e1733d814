"""Means, groups and intervals."""

import pytest

from orbit.evaluation.figures import differences, figures, groups
from orbit.evaluation.questions import EvalQuestion


def test_a_mean_leaves_out_questions_without_the_measure() -> None:
    (figure,) = figures([{"R@1": 1.0}, {}, {"R@1": 0.0}])
    assert (figure.name, figure.mean, figure.questions) == ("R@1", 0.5, 2)


def test_groups_are_sorted_and_skip_the_nameless() -> None:
    questions = [EvalQuestion("q", language=language) for language in ("de", "", "ar", "de")]
    found = groups(questions, [{"R@1": 1.0}] * 3 + [{"R@1": 0.0}], lambda one: one.language)
    assert [(group.name, group.figures[0].mean) for group in found] == [("ar", 1.0), ("de", 0.5)]


def test_a_clear_difference_has_an_interval_beyond_zero_and_chance_has_not() -> None:
    worse = [{"R@1": 0.0}] * 30 + [{"R@1": 1.0}] * 10
    better = [{"R@1": 1.0}] * 40
    (clear,) = differences(worse, better)
    assert clear.mean == pytest.approx(0.75)
    assert 0.5 < clear.low < clear.mean < clear.high < 0.95
    mixed = [{"R@1": float(number % 2)} for number in range(40)]
    other = [{"R@1": float(number % 3 == 0)} for number in range(40)]
    (chance,) = differences(mixed, other)
    assert chance.low < 0 < chance.high
    assert differences(mixed, other) == (chance,)  # the same every time


def test_only_questions_that_both_measured_are_compared() -> None:
    (one,) = differences([{"R@1": 0.0}, {}], [{"R@1": 1.0}, {"R@1": 0.0}])
    assert (one.mean, one.questions) == (1.0, 1)
