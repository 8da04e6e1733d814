"""The metrics of a process: plain numbers, updated once per turn and read on demand."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable

import msgspec

from orbit.errors import ProviderError
from orbit.types import ChatRecord

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Upper bounds of the duration buckets, in seconds. One more bucket holds what is longer."""


class Durations(msgspec.Struct):
    """A histogram of durations: counts per bucket, not cumulative, and the sum in seconds."""

    buckets: list[int] = msgspec.field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    sum: float = 0.0


class Snapshot(msgspec.Struct, frozen=True):
    """All metrics at one moment, in a form that can be sent between processes. Labels precede each number."""

    requests: list[tuple[str, str, str, int]] = []
    turns: list[tuple[str, int]] = []
    failures: list[tuple[str, str, str, int]] = []
    tools: list[tuple[str, str, int]] = []
    answers: list[tuple[str, str, str, int]] = []
    durations: dict[str, Durations] = {}
    prompt_tokens: int = 0
    completion_tokens: int = 0
    lost: int = 0
    in_flight: int = 0
    queued: int = 0
    figures: list[tuple[str, str, str, float]] = []
    """Metrics that providers report: instance, name, process, value."""


class Metrics:
    """The counters of one process. Adding to a ``Counter`` takes twice as long as to a ``defaultdict``."""

    def __init__(self) -> None:
        self.requests: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        """HTTP requests by route, method and status."""
        self.turns: defaultdict[str, int] = defaultdict(int)
        """Chat turns by outcome; see ``ChatRecord.status``."""
        self.failures: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        """Provider errors by instance, operation and kind, including those that no client noticed."""
        self.tools: defaultdict[tuple[str, str], int] = defaultdict(int)
        """Calls of tools by instance and status; see ``ToolUse``."""
        self.answers: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        """Answers by instance, its model, and how many providers were asked until it answered."""
        self.durations: dict[str, Durations] = {}
        """Seconds by stage of a turn."""
        self.prompt_tokens = 0
        self.completion_tokens = 0

    def turn(self, record: ChatRecord) -> None:
        """Count a finished turn."""
        self.turns[record.status] += 1
        self.prompt_tokens += record.prompt_tokens
        self.completion_tokens += record.completion_tokens
        if record.tries and record.status == "ok":
            self.answers[record.backend, record.model, str(record.tries)] += 1
        for use in record.tool_uses:
            self.tools[use.provider, use.status] += 1
        for stage, seconds in record.durations.items():
            durations = self.durations.get(stage)
            if durations is None:
                durations = self.durations[stage] = Durations()
            durations.buckets[bisect_left(BOUNDS, seconds)] += 1
            durations.sum += seconds

    def failed(self, error: ProviderError) -> None:
        """Count a provider's error."""
        self.failures[error.provider, error.operation, error.kind] += 1

    def snapshot(self, *, lost: int = 0, in_flight: int = 0, queued: int = 0) -> Snapshot:
        """Return all metrics, including what others count: lost records, running and waiting turns."""
        return Snapshot(
            [(*labels, number) for labels, number in self.requests.items()],
            list(self.turns.items()),
            [(*labels, number) for labels, number in self.failures.items()],
            [(*labels, number) for labels, number in self.tools.items()],
            [(*labels, number) for labels, number in self.answers.items()],
            self.durations,
            self.prompt_tokens,
            self.completion_tokens,
            lost,
            in_flight,
            queued,
        )


def total(snapshots: Iterable[Snapshot]) -> Snapshot:
    """Return the sum over several processes."""
    requests: Counter[tuple[str, str, str]] = Counter()
    turns: Counter[str] = Counter()
    failures: Counter[tuple[str, str, str]] = Counter()
    tools: Counter[tuple[str, str]] = Counter()
    answers: Counter[tuple[str, str, str]] = Counter()
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
        for provider, status, number in snapshot.tools:
            tools[provider, status] += number
        for provider, model, tries, number in snapshot.answers:
            answers[provider, model, tries] += number
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
        [(*labels, number) for labels, number in sorted(tools.items())],
        [(*labels, number) for labels, number in sorted(answers.items())],
        dict(sorted(durations.items())),
        figures=figures,
        **sums,
    )
