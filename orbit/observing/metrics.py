"""What a process counts: plain numbers, added up once a turn, and read only when somebody looks."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable

import msgspec

from orbit.errors import ProviderError
from orbit.types import ChatRecord

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Upper bounds of the buckets of durations, in seconds; there is one more bucket for what is longer."""


class Durations(msgspec.Struct):
    """How long something took: how often each bucket's bounds held, not cumulative, and the sum in seconds."""

    buckets: list[int]
    sum: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.buckets[bisect_left(BOUNDS, seconds)] += 1
        self.sum += seconds


class Snapshot(msgspec.Struct, frozen=True):
    """Everything counted so far, in a form that can be sent. Labels stand before each number."""

    requests: list[tuple[str, str, str, int]] = []
    turns: list[tuple[str, int]] = []
    failures: list[tuple[str, str, str, int]] = []
    durations: dict[str, Durations] = {}
    prompt_tokens: int = 0
    completion_tokens: int = 0
    lost: int = 0
    in_flight: int = 0
    queued: int = 0
    figures: list[tuple[str, str, str, float]] = []
    """What providers tell of themselves: instance, figure, process, value."""


class Metrics:
    """The counts of one process; they only grow."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str, str]] = Counter()
        """HTTP requests by route, method and status."""
        self.turns: Counter[str] = Counter()
        """Chat turns by how they ended, see ``ChatRecord.status``."""
        self.failures: Counter[tuple[str, str, str]] = Counter()
        """Errors of providers by instance, operation and kind, also those that no client noticed."""
        self.durations: dict[str, Durations] = {}
        """Seconds by stage of a turn."""
        self.prompt_tokens = 0
        self.completion_tokens = 0

    def turn(self, record: ChatRecord) -> None:
        """Count a finished turn."""
        self.turns[record.status] += 1
        self.prompt_tokens += record.prompt_tokens
        self.completion_tokens += record.completion_tokens
        for stage, seconds in record.durations.items():
            durations = self.durations.get(stage)
            if durations is None:
                durations = self.durations[stage] = Durations([0] * (len(BOUNDS) + 1))
            durations.add(seconds)

    def failed(self, error: ProviderError) -> None:
        """Count an error of a provider."""
        self.failures[error.provider, error.operation, error.kind] += 1

    def snapshot(self, *, lost: int = 0, in_flight: int = 0, queued: int = 0) -> Snapshot:
        """What is counted so far, and what others count: records lost, turns running and waiting now."""
        return Snapshot(
            [(*labels, number) for labels, number in self.requests.items()],
            list(self.turns.items()),
            [(*labels, number) for labels, number in self.failures.items()],
            self.durations,
            self.prompt_tokens,
            self.completion_tokens,
            lost,
            in_flight,
            queued,
        )


def total(snapshots: Iterable[Snapshot]) -> Snapshot:
    """The counts of several processes together."""
    requests: Counter[tuple[str, str, str]] = Counter()
    turns: Counter[str] = Counter()
    failures: Counter[tuple[str, str, str]] = Counter()
    durations: dict[str, Durations] = {}
    sums = Counter[str]()
    figures: list[tuple[str, str, str, float]] = []
    for snapshot in snapshots:
        figures += snapshot.figures
        for route, method, status, number in snapshot.requests:
            requests[route, method, status] += number
        for status, number in snapshot.turns:
            turns[status] += number
        for provider, operation, kind, number in snapshot.failures:
            failures[provider, operation, kind] += number
        for stage, part in snapshot.durations.items():
            whole = durations.setdefault(stage, Durations([0] * len(part.buckets)))
            whole.buckets = [one + other for one, other in zip(whole.buckets, part.buckets, strict=True)]
            whole.sum += part.sum
        for name in ("prompt_tokens", "completion_tokens", "lost", "in_flight", "queued"):
            sums[name] += getattr(snapshot, name)
    return Snapshot(
        [(*labels, number) for labels, number in sorted(requests.items())],
        sorted(turns.items()),
        [(*labels, number) for labels, number in sorted(failures.items())],
        dict(sorted(durations.items())),
        figures=figures,
        **sums,
    )
