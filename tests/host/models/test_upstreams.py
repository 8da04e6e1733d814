"""The load, the rest and the retries of providers."""

import time

from orbit.errors import ProviderError
from orbit.host.models.catalogue import Target
from orbit.host.models.upstreams import RetryBudget, Upstream, in_order


def test_the_least_busy_comes_first_and_who_failed_comes_last() -> None:
    one, two, three = (Upstream(Target(name), name) for name in ("one", "two", "three"))
    one.begin()
    assert in_order([[one, two], [three, one]]) == [two, one, three]
    two.begin()
    two.failed(ProviderError("no", kind="unavailable"))
    assert in_order([[one, two], [three]]) == [one, three, two]
    one.failed(ProviderError("no", kind="timeout"))
    assert in_order([[one, two], [three]]) == [three, two]
    assert set(in_order([[one]])) == {one}
    one.answered()
    assert in_order([[one], [two]]) == [one, two]


def test_equals_take_turns() -> None:
    group = [Upstream(Target(name), name) for name in ("one", "two", "three")]
    chosen = []
    for _ in range(6):
        first, *_ = in_order([group])
        chosen.append(first.provider)
        first.begin()
        first.answered()
        first.end()
    assert chosen == ["one", "two", "three"] * 2


def test_one_request_probes_a_provider_that_has_rested() -> None:
    one = Upstream(Target("one"), "one")
    one.failed(ProviderError("no"))
    assert not one.is_ready(time.monotonic())
    assert one.is_ready(one.until)
    one.begin()
    assert not one.is_ready(one.until)
    one.answered()
    assert one.is_ready(0.0)


def test_the_budget_ends_and_requests_fill_it() -> None:
    budget = RetryBudget()
    assert sum(budget.take() for _ in range(1000)) < 100
    for _ in range(100):
        budget.request()
    assert sum(budget.take() for _ in range(20)) == 20
