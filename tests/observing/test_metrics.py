"""The metrics of a process, and their sum over several."""

from __future__ import annotations

import msgspec
import pytest

from orbit import ChatRecord, ProviderError
from orbit.observing.metrics import Metrics, Snapshot, total


def record(status: str = "ok", **fields: object) -> ChatRecord:
    values = {"timestamp": 0.0, "request_id": "r", "query": "q", "status": status, **fields}
    return msgspec.convert(values, ChatRecord)


@pytest.mark.parametrize(
    ("seconds", "bucket"), [(0.0, 0), (0.005, 0), (0.0051, 1), (1.0, 7), (300.0, 14), (300.1, 15), (1e9, 15)]
)
def test_a_duration_falls_into_the_first_bucket_whose_bound_it_does_not_exceed(seconds: float, bucket: int) -> None:
    metrics = Metrics()
    metrics.turn(record(durations={"total": seconds}))
    durations = metrics.snapshot().durations["total"]
    assert [number for number, count in enumerate(durations.buckets) if count] == [bucket]
    assert durations.sum == seconds


def test_a_turn_counts_by_its_outcome_with_its_tokens_and_stages() -> None:
    metrics = Metrics()
    metrics.turn(record(prompt_tokens=7, completion_tokens=3, durations={"total": 0.02, "retrieve": 0.001}))
    metrics.turn(record("error", prompt_tokens=2, durations={"total": 2.0}))
    seen = metrics.snapshot()
    assert dict(seen.turns) == {"ok": 1, "error": 1}
    assert (seen.prompt_tokens, seen.completion_tokens) == (9, 3)
    assert sum(seen.durations["total"].buckets) == 2
    assert seen.durations["total"].sum == pytest.approx(2.02)
    assert sum(seen.durations["retrieve"].buckets) == 1


def test_a_failure_counts_under_its_provider_operation_and_kind() -> None:
    metrics = Metrics()
    error = ProviderError("gone", kind="unavailable")
    error.provider, error.operation = "chroma", "retrieve"
    metrics.failed(error)
    metrics.failed(error)
    assert metrics.snapshot().failures == [("chroma", "retrieve", "unavailable", 2)]


def test_a_snapshot_takes_what_others_count() -> None:
    metrics = Metrics()
    metrics.requests["/chat", "POST", "200"] += 4
    seen = metrics.snapshot(lost=1, in_flight=2, queued=3)
    assert seen.requests == [("/chat", "POST", "200", 4)]
    assert (seen.lost, seen.in_flight, seen.queued) == (1, 2, 3)


def test_a_snapshot_survives_the_way_between_processes() -> None:
    metrics = Metrics()
    metrics.turn(record(durations={"total": 0.02}))
    seen = metrics.snapshot(lost=1)
    assert msgspec.json.decode(msgspec.json.encode(seen), type=Snapshot) == seen


def test_the_sum_over_processes_adds_each_label_by_itself() -> None:
    one, other = Metrics(), Metrics()
    one.requests["/chat", "POST", "200"] += 1
    one.requests["/chat", "POST", "503"] += 1
    other.requests["/chat", "POST", "200"] += 10
    for metrics, seconds in ((one, 0.02), (other, 400.0), (other, 0.02)):
        metrics.turn(record(prompt_tokens=5, completion_tokens=2, durations={"total": seconds}))
    error = ProviderError("gone")
    one.failed(error)
    other.failed(error)
    summed = total([one.snapshot(lost=1, queued=2), other.snapshot(lost=2, in_flight=4)])
    assert summed.requests == [("/chat", "POST", "200", 11), ("/chat", "POST", "503", 1)]
    assert summed.turns == [("ok", 3)]
    assert [number for *_, number in summed.failures] == [2]
    assert (summed.durations["total"].buckets[2], summed.durations["total"].buckets[-1]) == (2, 1)
    assert summed.durations["total"].sum == pytest.approx(400.04)
    assert (summed.prompt_tokens, summed.completion_tokens) == (15, 6)
    assert (summed.lost, summed.in_flight, summed.queued) == (3, 4, 2)


def test_the_sum_changes_no_process() -> None:
    metrics = Metrics()
    metrics.turn(record(durations={"total": 0.02}))
    before = msgspec.json.encode(metrics.snapshot())
    total([metrics.snapshot(), metrics.snapshot()])
    assert msgspec.json.encode(metrics.snapshot()) == before


def test_figures_of_providers_stay_apart_by_process() -> None:
    figures = [("llama_cpp", "slots", "1", 4.0)], [("llama_cpp", "slots", "2", 3.0)]
    assert total(Snapshot(figures=each) for each in figures).figures == [*figures[0], *figures[1]]


def test_the_sum_of_nothing_is_empty() -> None:
    assert total([]) == Snapshot()
