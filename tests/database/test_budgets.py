"""Days, months and resets of budgets, and what is used of them."""

from datetime import UTC, datetime

import pytest

from orbit.database.budgets import NAMES, Budgets, Use, day_of, month_before, month_of, resets_at, total_use


@pytest.mark.parametrize(
    ("at", "day", "tomorrow", "next_month", "before"),
    [
        ("2026-11-29T23:59:59", "2026-11-29", "2026-11-30", "2026-12-01", "2026-10"),
        ("2026-12-31T00:00:00", "2026-12-31", "2027-01-01", "2027-01-01", "2026-11"),
        ("2028-02-29T12:00:00", "2028-02-29", "2028-03-01", "2028-03-01", "2028-01"),
        ("2027-01-01T00:00:00", "2027-01-01", "2027-01-02", "2027-02-01", "2026-12"),
    ],
)
def test_days_and_months_are_those_of_the_calendar_in_utc(
    at: str, day: str, tomorrow: str, next_month: str, before: str
) -> None:
    assert day_of(datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp()) == day
    assert month_of(day) == day[:7]
    assert month_before(day) == before
    for name in NAMES:
        ends = datetime.fromtimestamp(resets_at(name, day), UTC).isoformat()
        assert ends == f"{next_month if name.endswith('month') else tomorrow}T00:00:00+00:00"


def test_of_several_budgets_the_one_that_resets_last_is_named() -> None:
    budgets = Budgets(requests_per_day=2, tokens_per_day=10, tokens_per_month=100)
    assert budgets.used_up(Use()) == ""
    assert budgets.used_up(Use(requests_per_day=1, tokens_per_day=9, tokens_per_month=99)) == ""
    assert budgets.used_up(Use(requests_per_month=9_000)) == ""
    assert budgets.used_up(Use(requests_per_day=2)) == "requests_per_day"
    assert budgets.used_up(Use(tokens_per_day=11, requests_per_day=2)) == "requests_per_day"
    assert budgets.used_up(Use(tokens_per_day=10)) == "tokens_per_day"
    assert budgets.used_up(Use(tokens_per_day=100, tokens_per_month=100)) == "tokens_per_month"
    assert (budgets.of_requests, budgets.of_tokens) == (True, True)
    assert (Budgets(requests_per_month=1).of_tokens, Budgets(tokens_per_day=1).of_requests) == (False, False)


def test_a_month_is_the_sum_of_its_days() -> None:
    counts = {"2026-10-31": (1, 10), "2026-11-01": (2, 20), "2026-11-29": (4, 40)}
    assert total_use(counts, "2026-11-29") == Use(4, 40, 6, 60)
    assert total_use(counts, "2026-11-30") == Use(0, 0, 6, 60)
    assert total_use({}, "2026-11-30") == Use()
