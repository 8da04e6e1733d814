"""What the server knows of answers that called tools of the client, for the rounds that bring the results."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Final, NamedTuple

import msgspec

from orbit.chat.turn import Turn
from orbit.types import Document, Message, ToolCall

_MOST: Final = 1000
_SECONDS: Final = 900.0


class _Kept(NamedTuple):
    at: float
    documents: tuple[Document, ...]
    hidden: tuple[Message, ...]


class Rounds:
    """Remembers passages, and calls of the host's tools, by the key and the ids of the client's calls, for a while.

    A later round then reads what its question found, without another search, and what the host's tools returned, which
    the client has not seen. Where they are forgotten (another worker, a restart), it goes on without them.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()

    def kept(
        self,
        turn: Turn,
        calls: tuple[ToolCall, ...],
        documents: tuple[Document, ...],
        hidden: tuple[Message, ...] = (),
    ) -> tuple[ToolCall, ...]:
        """Remember the passages and the ``hidden`` messages of an answer that calls tools, and return the calls."""
        for call in calls if documents or hidden else ():
            name = (turn.context.key_id, call.id)
            self._kept[name] = _Kept(time.monotonic(), documents, hidden)
            self._kept.move_to_end(name)
        while len(self._kept) > _MOST:
            self._kept.popitem(last=False)
        return calls

    def documents(self, turn: Turn) -> list[Document] | None:
        """Return the passages of the question that a round goes on with; None if it is none, or if they are gone."""
        for message in turn.later:
            if (kept := self._find(turn, message.tool_call_id)) and kept.documents:
                return list(kept.documents)
        return None

    def restored(self, turn: Turn) -> Turn:
        """Return a turn with the hidden messages, each before the answer that called the client's tools."""
        later: list[Message] = []
        for message in turn.later:
            kept = next(filter(None, (self._find(turn, call.id) for call in message.tool_calls)), None)
            later += (*kept.hidden, message) if kept else (message,)
        return msgspec.structs.replace(turn, later=tuple(later)) if len(later) > len(turn.later) else turn

    def _find(self, turn: Turn, call: str) -> _Kept | None:
        kept = self._kept.get((turn.context.key_id, call))
        return kept if kept is not None and time.monotonic() - kept.at < _SECONDS else None
