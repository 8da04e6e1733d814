"""The signed thoughts before tool calls, kept for clients whose protocol cannot bring them back."""

import time
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from orbit import Thought, ToolCall

_MOST: Final = 1000
_MOST_CHARS: Final = 32 * 1024 * 1024
_SECONDS: Final = 3600.0


class KeptThoughts:
    """Remembers thoughts by the key and the id of each call that followed them, for an hour.

    Models that think check, in the next round of tools, that their thoughts are there, unchanged. Where they are
    forgotten (another worker, a restart), the model goes on without.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], tuple[float, tuple[Thought, ...]]] = OrderedDict()
        self._chars = 0

    def keep(self, key_id: str, calls: Iterable[ToolCall], thoughts: tuple[Thought, ...]) -> None:
        """Remember the thoughts of an answer that calls tools."""
        for call in calls if thoughts else ():
            name = (key_id, call.id)
            self._chars -= _size(self._kept.pop(name, (0.0, ()))[1])
            self._kept[name] = (time.monotonic(), thoughts)
            self._chars += _size(thoughts)
        while len(self._kept) > _MOST or self._chars > _MOST_CHARS:
            self._chars -= _size(self._kept.popitem(last=False)[1][1])

    def of(self, key_id: str, calls: Iterable[ToolCall]) -> tuple[Thought, ...]:
        """Return the thoughts before some calls; none if they are unknown."""
        for call in calls:
            at, thoughts = self._kept.get((key_id, call.id), (0.0, ()))
            if thoughts and time.monotonic() - at < _SECONDS:
                return thoughts
        return ()


def _size(thoughts: Iterable[Thought]) -> int:
    return sum(len(thought.text) + len(thought.signature) for thought in thoughts)
