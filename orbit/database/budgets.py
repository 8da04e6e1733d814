"""The budgets of a key: the requests and tokens that it may use in a day and a month, and how much of them is used.

Days and months are those of the calendar in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

import msgspec

NAMES: Final = ("requests_per_month", "tokens_per_month", "requests_per_day", "tokens_per_day")
"""All budgets, those that reset last first."""

DayCounts: TypeAlias = Mapping[str, tuple[int, int]]
"""The requests and tokens of a key by day, such as ``2026-11-29``."""


class Use(msgspec.Struct, frozen=True):
    """What a key has used in a day and in the month of that day."""

    requests_per_day: int = 0
    tokens_per_day: int = 0
    requests_per_month: int = 0
    tokens_per_month: int = 0


class Budgets(msgspec.Struct, frozen=True):
    """The most that a key may use; None is no budget."""

    requests_per_day: int | None = None
    tokens_per_day: int | None = None
    requests_per_month: int | None = None
    tokens_per_month: int | None = None

    @property
    def of_requests(self) -> bool:
        """Whether requests have a budget."""
        return self.requests_per_day is not None or self.requests_per_month is not None

    @property
    def of_tokens(self) -> bool:
        """Whether tokens have a budget."""
        return self.tokens_per_day is not None or self.tokens_per_month is not None

    def limits(self) -> dict[str, int]:
        """Return the budgets that are set, by name."""
        return {name: limit for name in NAMES if (limit := getattr(self, name)) is not None}

    def used_up(self, use: Use) -> str:
        """Return the name of the budget that is used up, of several the one that resets last; empty if none is."""
        return next((name for name, limit in self.limits().items() if getattr(use, name) >= limit), "")


def day_of(at: float) -> str:
    """Return the day of a time in Unix seconds."""
    return datetime.fromtimestamp(at, UTC).date().isoformat()


def month_of(day: str) -> str:
    """Return the month of a day, such as ``2026-11``."""
    return day[:7]


def month_before(day: str) -> str:
    """Return the month before that of a day: the oldest one that a running turn may count for."""
    first = datetime.fromisoformat(f"{month_of(day)}-01")
    return month_of((first - timedelta(days=1)).date().isoformat())


def resets_at(name: str, day: str) -> float:
    """Return when a budget that was used on a day begins anew, in Unix seconds."""
    start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    if name.endswith("_month"):
        start = start.replace(day=1) + timedelta(days=32)
        return start.replace(day=1).timestamp()
    return (start + timedelta(days=1)).timestamp()


def total_use(counts: DayCounts, day: str) -> Use:
    """Return what is used of a day and its month."""
    requests, tokens = counts.get(day, (0, 0))
    month = [count for other, count in counts.items() if month_of(other) == month_of(day)]
    return Use(requests, tokens, sum(count[0] for count in month), sum(count[1] for count in month))
