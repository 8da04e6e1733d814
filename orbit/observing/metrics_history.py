"""What the server did in the last hour, as samples of its counts: what the operator's page draws."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import msgspec

from orbit.observing.metrics import Snapshot
from orbit.types import STATUSES_WITHOUT_ERROR

SECONDS = 10.0
"""Time between samples."""

KEPT = 360
"""Samples kept: an hour."""

_STAGES = ("first_token", "total")


class Sample(msgspec.Struct, frozen=True):
    """The counts of all workers at one time, in Unix seconds; they only grow, so differences are what happened between.

    ``failed`` are turns that ended with an error. ``durations`` are the buckets of the stages ``first_token`` and
    ``total``, not cumulative; their bounds stand beside the samples.
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
    """What the page draws of all counts."""
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
    """The last samples."""

    def __init__(self, samples: Iterable[Sample] = (), kept: int = KEPT) -> None:
        self._samples: deque[Sample] = deque(samples, maxlen=kept)

    def add(self, sample: Sample) -> None:
        """Keep a sample, and forget the oldest if there are too many."""
        self._samples.append(sample)

    def since(self, at: float) -> list[Sample]:
        """The samples taken after a time in Unix seconds."""
        return [sample for sample in self._samples if sample.at > at]
