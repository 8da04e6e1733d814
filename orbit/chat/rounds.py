"""The passages of questions whose answers called tools, for the rounds that bring the results."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Final

from orbit.chat.turn import Turn
from orbit.types import Document, ToolCall

_MOST: Final = 1000
_SECONDS: Final = 900.0


class Rounds:
    """Remembers passages by the key and the ids of the calls, for a while.

    A later round then reads what its question found, without another search. Where they are forgotten (another worker,
    a restart), it goes on without them.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], tuple[float, tuple[Document, ...]]] = OrderedDict()

    def kept(self, turn: Turn, calls: tuple[ToolCall, ...], documents: tuple[Document, ...]) -> tuple[ToolCall, ...]:
        """Remember the passages of an answer that calls tools, and return the calls."""
        for call in calls if documents else ():
            name = (turn.context.key_id, call.id)
            self._kept[name] = (time.monotonic(), documents)
            self._kept.move_to_end(name)
        while len(self._kept) > _MOST:
            self._kept.popitem(last=False)
        return calls

    def documents(self, turn: Turn) -> list[Document] | None:
        """Return the passages of the question that a round goes on with; None if it is none, or if they are gone."""
        for message in turn.later:
            at, documents = self._kept.get((turn.context.key_id, message.tool_call_id), (0.0, ()))
            if documents and time.monotonic() - at < _SECONDS:
                return list(documents)
        return None
