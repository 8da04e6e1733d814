"""A long call's deadline starts again with each report, and waits for calls that have their own."""

from __future__ import annotations

from typing import Any

from orbit.host.calls.work import Work, current_work


class Clock:
    """A deadline that notes when it starts again."""

    def __init__(self) -> None:
        self.restarts: list[float] = []

    def restart(self, seconds: float) -> None:
        self.restarts.append(seconds)


def work(told: Any = None) -> tuple[Work, Clock]:
    made, clock = Work(5.0, told), Clock()
    deadline: Any = clock
    made.deadline = deadline
    return made, clock


def test_each_report_starts_the_deadline_again_and_is_passed_on() -> None:
    told: list[int] = []
    made, clock = work(told.append)
    for passages in (3, 0, 4):
        made.report(passages)
    assert (clock.restarts, told) == ([5.0, 5.0, 5.0], [3, 4])


def test_before_it_runs_and_without_a_listener_a_report_does_nothing() -> None:
    Work(5.0, None).report(1)


def test_another_calls_time_does_not_count() -> None:
    made, clock = work()
    with made.waiting(60.0):
        made.report(1)  # the other call's own end still counts
        assert clock.restarts == [65.0]
    assert clock.restarts == [65.0, 5.0]


def test_of_several_calls_the_last_one_that_ends_counts() -> None:
    made, clock = work()
    with made.waiting(60.0):
        with made.waiting(10.0):
            pass
        assert clock.restarts == [65.0, 15.0]
    assert clock.restarts == [65.0, 15.0, 5.0]


def test_work_is_known_to_what_runs_inside_only() -> None:
    outer, inner = Work(1.0, None), Work(1.0, None)
    assert current_work() is None
    with outer.running():
        with inner.running():
            assert current_work() is inner
        assert current_work() is outer
    assert current_work() is None
