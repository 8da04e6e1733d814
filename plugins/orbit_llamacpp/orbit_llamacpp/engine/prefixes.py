"""A cache of prompt prefixes that need not be read again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import msgspec


def shared_length(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many tokens two prompts share from the start."""
    limit = min(len(one), len(other))
    if one[:limit] == other[:limit]:
        return limit
    low, high = 0, limit  # bisect: comparing slices runs in C
    while high - low > 1:
        middle = (low + high) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle
    return low


class Snapshot(msgspec.Struct, frozen=True):
    """A prompt and the state of a sequence that has read it."""

    tokens: tuple[int, ...]
    state: bytes


class Snapshots:
    """Saved sequences within a budget of bytes, evicted least recently used first."""

    def __init__(self, budget: int) -> None:
        """Set the budget in bytes; 0 keeps nothing."""
        self._budget = budget
        self._kept: OrderedDict[tuple[int, ...], Snapshot] = OrderedDict()
        self.size = 0

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, prompt: Sequence[int]) -> tuple[int, Snapshot | None]:
        """Return the snapshot with the longest shared prefix, and the prefix's length."""
        wanted = tuple(prompt)
        best, length = None, 0
        for snapshot in self._kept.values():
            common = shared_length(wanted, snapshot.tokens)
            if common > length:
                best, length = snapshot, common
        return length, best

    def touch(self, snapshot: Snapshot) -> None:
        """Mark a snapshot as just used."""
        if snapshot.tokens in self._kept:
            self._kept.move_to_end(snapshot.tokens)

    def covers(self, prompt: Sequence[int]) -> bool:
        """Return whether a snapshot contains all of a prompt."""
        return self.find(prompt)[0] == len(prompt)

    def fits(self, size: int) -> bool:
        """Return whether a state of so many bytes fits the budget at all."""
        return size <= self._budget

    def add(self, snapshot: Snapshot) -> None:
        """Keep a snapshot. Drop those that it contains, then the least recently used ones until the budget holds."""
        for tokens in [t for t in self._kept if shared_length(t, snapshot.tokens) == len(t)]:
            self._drop(tokens)
        self._kept[snapshot.tokens] = snapshot
        self.size += len(snapshot.state)
        while self.size > self._budget:
            self._drop(next(iter(self._kept)))

    def _drop(self, tokens: tuple[int, ...]) -> None:
        self.size -= len(self._kept.pop(tokens).state)
