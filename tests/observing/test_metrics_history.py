"""The last hour of metrics, as the operator's page draws it."""

from __future__ import annotations

from orbit.observing.metrics import Durations, Snapshot
from orbit.observing.metrics_history import KEPT, SECONDS, History, Sample, sample_of
from orbit.types import STATUSES_WITHOUT_ERROR


def sample(at: float) -> Sample:
    return sample_of(Snapshot(), at)


def test_each_way_to_end_counts_once() -> None:
    turns = [("ok", 5), ("blocked", 2), ("cancelled", 3), ("error", 4), ("timeout", 1)]
    seen = sample_of(Snapshot(turns=turns, prompt_tokens=70, completion_tokens=30), 12.5)
    assert (seen.at, seen.ok, seen.blocked, seen.cancelled, seen.failed) == (12.5, 5, 2, 3, 5)
    assert (seen.prompt_tokens, seen.completion_tokens) == (70, 30)


def test_no_outcome_without_an_error_counts_as_failed() -> None:
    seen = sample_of(Snapshot(turns=[(status, 1) for status in STATUSES_WITHOUT_ERROR]), 0.0)
    assert seen.failed == 0


def test_a_sample_keeps_the_buckets_of_its_moment() -> None:
    durations = {stage: Durations() for stage in ("first_token", "total", "retrieve")}
    seen = sample_of(Snapshot(durations=durations), 0.0)
    durations["total"].buckets[0] += 1
    assert set(seen.durations) == {"first_token", "total"}
    assert sum(seen.durations["total"]) == 0


def test_a_reader_gets_only_what_is_newer_than_its_last_sample() -> None:
    history = History([sample(1.0), sample(2.0)])
    history.add(sample(3.0))
    assert [each.at for each in history.since(1.0)] == [2.0, 3.0]
    assert history.since(3.0) == []


def test_the_history_holds_an_hour() -> None:
    history = History()
    for number in range(KEPT + 10):
        history.add(sample(float(number)))
    kept = history.since(-1.0)
    assert len(kept) * SECONDS == 3600
    assert (kept[0].at, kept[-1].at) == (10.0, KEPT + 9.0)
