"""Notes taken during a turn, and the record that the chat log keeps of it."""

from __future__ import annotations

import time

from orbit.chat.locations import location_of
from orbit.chat.outcome import Answered, Failed, NothingFound, Outcome, Refused
from orbit.chat.turn import Turn
from orbit.errors import OrbitError
from orbit.types import ChatRecord, Document, SourceRef, ToolCall, ToolUse, Usage

_NOTHING_USED = Usage()


class Journal:
    """The notes of one turn. It only records: nothing reads it before the turn has ended."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._timestamp = time.time()
        self._started = time.perf_counter()
        self.text: list[str] = []
        self.durations: dict[str, float] = {}
        self.documents: tuple[Document, ...] = ()
        self.without_documents = False
        self.unsupported = ""
        self.usage = _NOTHING_USED
        self.provider = ""
        self.model = ""
        self.tries = 0
        self.tool_calls: tuple[ToolCall, ...] = ()
        self.tool_uses: list[ToolUse] = []

    def took(self, stage: str, started: float) -> None:
        """Note the seconds since ``started`` (of ``time.perf_counter``) for a stage, in whole microseconds."""
        self.durations[stage] = int((time.perf_counter() - started) * 1e6) / 1e6

    def record(self, outcome: Outcome) -> ChatRecord:
        """Return the record of a turn that has ended."""
        turn, context = self._turn, self._turn.context
        status, reason = self._status(outcome)
        self.took("total", self._started)
        return ChatRecord(
            timestamp=self._timestamp,
            request_id=context.request_id,
            query=turn.question,
            response="".join(self.text),
            status=status,
            blocked=isinstance(outcome, Refused),
            reason=reason,
            backend=self.provider,
            model=self.model,
            tries=self.tries,
            session_id=context.session_id,
            client_ip=context.client_ip,
            key_id=context.key_id,
            key_hint=context.key_hint,
            client_name=context.client_name,
            collection=context.collection,
            prompt_id=turn.prompt_id,
            prompt_version=turn.prompt_version,
            sources=tuple([SourceRef(item.id, item.source, item.score, location_of(item)) for item in self.documents]),
            durations=self.durations,
            prompt_tokens=self.usage.prompt_tokens,
            completion_tokens=self.usage.completion_tokens,
            tool_calls=self.tool_calls,
            tool_uses=tuple(self.tool_uses),
            task=turn.task,
        )

    def _status(self, outcome: Outcome) -> tuple[str, str]:
        """Return the status and the reason that the chat log has for an outcome."""
        if isinstance(outcome, Answered):
            return "ok", self._doubt()
        if isinstance(outcome, Failed):
            error = outcome.error
            if isinstance(error, OrbitError):
                return error.code, str(error)
            return OrbitError.code, type(error).__name__
        if isinstance(outcome, Refused):
            return "blocked", outcome.reason
        if isinstance(outcome, NothingFound):
            return "ok", "nothing found"
        return "cancelled", self._doubt()

    def _doubt(self) -> str:
        """Return why an answer may be wrong; empty if nothing is known."""
        return "retrieval failed" if self.without_documents else self.unsupported
