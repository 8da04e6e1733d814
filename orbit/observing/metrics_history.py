"""The last hour of metrics as samples, for the charts of the operator's page."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import msgspec

from orbit.observing.metrics import Snapshot
from orbit.types import STATUSES_WITHOUT_ERROR

SECONDS = 10.0
"""Seconds between samples."""

KEPT = 360
"""Number of samples kept: one hour."""

_STAGES = ("first_token", "total")


class Sample(msgspec.Struct, frozen=True):
    """The counters of all workers at a time in Unix seconds. Differences between samples show what happened in between.

    ``failed`` counts turns that ended with an error. ``durations`` holds the buckets of the stages ``first_token`` and
    ``total``, not cumulative; their bounds accompany the samples.
    """

    at: float
    ok: int
    blocked: int
    cancelled: int
    failed: int
    prompt_tokens: int
    completion_tokens: int
    durations: dict[str, list[int]]


def sample_of(counts: Snapshot, at: float) -> Sample:
    """Return the part of all metrics that the page draws."""
    turns = dict(counts.turns)
    return Sample(
        at,
        ok=turns.get("ok", 0),
        blocked=turns.get("blocked", 0),
        cancelled=turns.get("cancelled", 0),
        failed=sum(count for status, count in turns.items() if status not in STATUSES_WITHOUT_ERROR),
        prompt_tokens=counts.prompt_tokens,
        completion_tokens=counts.completion_tokens,
        durations={stage: counts.durations[stage].buckets.copy() for stage in _STAGES if stage in counts.durations},
    )


class History:
    """The most recent samples."""

    def __init__(self, samples: Iterable[Sample] = (), kept: int = KEPT) -> None:
        self._samples: deque[Sample] = deque(samples, maxlen=kept)

    def add(self, sample: Sample) -> None:
        """Add a sample and drop the oldest ones beyond the limit."""
        self._samples.append(sample)

    def since(self, at: float) -> list[Sample]:
        """Return the samples after a time in Unix seconds."""
        return [sample for sample in self._samples if sample.at > at]
