"""The answers of ``POST /chat``, whole and as frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from orbit.chat.answer.parts import AnswerPart, text_of
from orbit.chat.outcome import Ending, Refused, ToolStep
from orbit.types import Source, Thought, ToolCall, Usage
from orbit.web.http.problems import problem_of
from orbit.web.wires.sending import Wire
from orbit.web.wires.used_tools import UsedTool, used_tools

TextForm: TypeAlias = Literal["delta", "cumulative"]
"""Text in a frame of a stream: what is new, or all of it so far."""
_encoder: Final = msgspec.json.Encoder()
ORBIT_STREAM = (
    'Server-sent events. Each `data:` is JSON: `{"text": ..., "done": false}`, while the server calls a tool with '
    '`"tool": {"id", "name", "status", "seconds"}` and no new text, for thoughts with `"thought"`, and last a '
    "`StreamFrame` or "
    '`{"error": {"code", "message", "request_id"}, "done": true}`.'
)


class Metadata(msgspec.Struct, frozen=True):
    """The metadata of an answer. `tools` is absent if the server called none."""

    request_id: str
    provider: str
    model: str
    blocked: bool
    dropped_documents: int
    dropped_turns: int
    without_documents: bool
    remembered: bool
    tries: int
    tools: tuple[UsedTool, ...] | msgspec.UnsetType = msgspec.UNSET


class ChatUsage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Tokens read and written; 0 if the provider does not count. The last two are absent if they are 0."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0


class ChatResponse(msgspec.Struct, frozen=True):
    """The body of a whole answer. `tool_calls` is absent if the client has no tool to run."""

    response: str
    sources: tuple[Source, ...]
    usage: ChatUsage
    finish_reason: str
    session_id: str | None
    metadata: Metadata
    tool_calls: tuple[ToolCall, ...] | msgspec.UnsetType = msgspec.UNSET


class StreamFrame(msgspec.Struct, frozen=True):
    """The last frame of a stream. Earlier frames have the new `text` and `done`, false."""

    text: str
    done: bool
    finish_reason: str
    sources: tuple[Source, ...]
    usage: ChatUsage
    session_id: str | None
    metadata: Metadata
    tool_calls: tuple[ToolCall, ...] | msgspec.UnsetType = msgspec.UNSET


class OrbitWire(Wire):
    """ORBIT's frames: ``data: {"text": ..., "done": ...}``. Cumulative text is for clients of earlier servers."""

    def __init__(self, request_id: str, form: TextForm, session_id: str | None) -> None:
        """``session_id`` is None if the turn belongs to no conversation."""
        self._request_id = request_id
        self._session_id = session_id
        self._cumulative = form == "cumulative"
        self._so_far = ""

    def whole(self, parts: Sequence[AnswerPart], ending: Ending) -> bytes:
        """Return the JSON body."""
        response = ChatResponse(
            text_of(parts),
            ending.sources,
            _usage(ending.usage),
            ending.finish_reason,
            self._session_id,
            self._metadata(ending),
            ending.tool_calls or msgspec.UNSET,
        )
        return _encoder.encode(response)

    def piece(self, text: str) -> bytes:
        """Return a frame of text."""
        if self._cumulative:
            self._so_far += text
            text = self._so_far
        return b'data: {"text":' + _encoder.encode(text) + b',"done":false}\n\n'

    def thought(self, thought: Thought) -> bytes:
        """Return a frame of thoughts without new text."""
        return b"data: " + _encoder.encode({"text": self._so_far, "thought": thought.text, "done": False}) + b"\n\n"

    def step(self, step: ToolStep) -> bytes:
        """Return a frame without new text that says what the server does with a tool."""
        frame = {"text": self._so_far, "done": False, "tool": step}
        return b"data: " + _encoder.encode(frame) + b"\n\n"

    def end(self, ending: Ending) -> bytes:
        """Return the last frame, which says how the answer ended."""
        frame = StreamFrame(
            text=self._so_far,
            done=True,
            finish_reason=ending.finish_reason,
            sources=ending.sources,
            usage=_usage(ending.usage),
            session_id=self._session_id,
            metadata=self._metadata(ending),
            tool_calls=ending.tool_calls or msgspec.UNSET,
        )
        return b"data: " + _encoder.encode(frame) + b"\n\n"

    def failure(self, error: BaseException) -> bytes:
        """Return the frame for an answer that failed half-way."""
        problem = problem_of(error, self._request_id)
        told = {"code": problem.code, "message": problem.detail, "request_id": self._request_id}
        if problem.param:
            told["param"] = problem.param
        return b"data: " + _encoder.encode({"error": told, "done": True}) + b"\n\n"

    def _metadata(self, ending: Ending) -> Metadata:
        return Metadata(
            self._request_id,
            ending.provider,
            ending.model,
            isinstance(ending, Refused),
            ending.dropped_documents,
            ending.dropped_turns,
            ending.without_documents,
            ending.remembered,
            ending.tries,
            used_tools(ending),
        )


def _usage(usage: Usage) -> ChatUsage:
    return ChatUsage(usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens, usage.reasoning_tokens)
