"""Writes answers as messages of Anthropic's API, whole or as a stream of events."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, ClassVar, Final, TypeAlias

import msgspec

from orbit.chat.answer.parts import AnswerPart, text_of
from orbit.chat.answer.thoughts import joined
from orbit.chat.outcome import Ending, ToolStep
from orbit.chat.tools.calls import is_object
from orbit.types import Source, Thought, ToolCall, Usage
from orbit.web.wires.anthropic.errors import error_body
from orbit.web.wires.extra import AnswerExtra, extra_of, named
from orbit.web.wires.sending import Wire

_encode = msgspec.json.Encoder().encode
_CITED: Final = re.compile(r"\[(\d{1,4})\]")
_STOP_REASONS: Final = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
MESSAGE_STREAM: Final = (
    "Server-sent events. Each `data:` is JSON whose `type` is also the event's name: `message_start`, for each content "
    "block `content_block_start`, `content_block_delta` and `content_block_stop`, then `message_delta` with "
    "`stop_reason`, `usage` and ORBIT's `orbit`, and `message_stop`; `ping` at any time; or `error`, a "
    "`MessageErrorBody`, which ends the stream."
)


class Citation(msgspec.Struct, frozen=True):
    """A passage behind the answer. ``source`` is an address where people can read it, or its name."""

    cited_text: str
    search_result_index: int
    source: str
    title: str
    start_block_index: int = 0
    end_block_index: int = 1
    type: str = "search_result_location"


class TextBlock(msgspec.Struct, frozen=True, tag="text"):
    """The answer's text."""

    text: str
    citations: tuple[Citation, ...] | None = None


class ThinkingBlock(msgspec.Struct, frozen=True, tag="thinking"):
    """Thoughts of the model. The signature is empty if the model has none."""

    thinking: str
    signature: str


class ToolUseBlock(msgspec.Struct, frozen=True, tag="tool_use"):
    """A call of a tool."""

    id: str
    name: str
    input: dict[str, Any]


class ServerToolUseBlock(msgspec.Struct, frozen=True, tag="mcp_tool_use"):
    """A call of a tool that the server makes itself."""

    id: str
    name: str
    input: dict[str, Any]
    server_name: str = "orbit"


class ServerToolResultBlock(msgspec.Struct, frozen=True, tag="mcp_tool_result"):
    """What a tool that the server called returned, or why it failed."""

    tool_use_id: str
    is_error: bool
    content: tuple[TextBlock, ...]


ContentBlock: TypeAlias = TextBlock | ThinkingBlock | ToolUseBlock | ServerToolUseBlock | ServerToolResultBlock


class OutputDetails(msgspec.Struct, frozen=True):
    """Tokens of thoughts."""

    thinking_tokens: int


class MessageUsage(msgspec.Struct, frozen=True):
    """Tokens read, without those that came from a cache, and written; 0 if the provider does not count."""

    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0
    output_tokens_details: OutputDetails | None = None


class AnswerMessage(msgspec.Struct, frozen=True):
    """The body of a whole answer."""

    id: str
    model: str
    content: tuple[ContentBlock, ...]
    stop_reason: str
    stop_sequence: str | None
    usage: MessageUsage
    orbit: AnswerExtra
    type: str = "message"
    role: str = "assistant"


class MessageWire(Wire):
    """Writes one message. The extra field ``orbit`` holds sources and ORBIT's metadata."""

    ping: ClassVar[bytes] = b'event: ping\ndata: {"type":"ping"}\n\n'

    def __init__(self, request_id: str, model: str, *, omits_thoughts: bool, ignored: tuple[str, ...] = ()) -> None:
        """``ignored`` are the unknown parameters of the request. ``omits_thoughts`` leaves only their signatures."""
        self._request_id = request_id
        self._model = model
        self._omits = omits_thoughts
        self._ignored = ignored
        self._index = -1
        self._open = ""
        """The type of the content block that has begun; empty if none has."""
        self._text: list[str] = []
        self._begun = False
        self._before = b""
        """The JSON before a piece of text."""

    def whole(self, parts: Sequence[AnswerPart], ending: Ending) -> bytes:
        """Return the body of an answer that is not streamed."""
        content: list[ContentBlock] = []
        for thinks, group in groupby(parts, lambda part: isinstance(part, Thought)):
            some = list(group)
            content += self._thinking(some) if thinks else map(_block, some)
        last = max((place for place, block in enumerate(content) if isinstance(block, TextBlock)), default=-1)
        if last >= 0:
            cited = tuple(_citations(ending.sources, text_of(parts))) or None
            content[last] = msgspec.structs.replace(content[last], citations=cited)
        content += [ToolUseBlock(call.id, call.name, msgspec.json.decode(call.arguments)) for call in ending.tool_calls]
        message = AnswerMessage(
            f"msg_{self._request_id}",
            self._model,
            tuple(content),
            *_stop(ending),
            usage=_usage(ending.usage),
            orbit=extra_of(ending, self._request_id, self._ignored),
        )
        return _encode(message)

    def piece(self, text: str) -> bytes:
        """Return the event of a piece of text, after those that must precede it."""
        self._text.append(text)
        opening = b"" if self._open == "text" else self._begin({"type": "text", "text": ""})
        return opening + self._before + _encode(str(text)) + b"}}\n\n"

    def thought(self, thought: Thought) -> bytes:
        """Return the events of new thoughts; their signature ends the block."""
        text = "" if self._omits else thought.text
        if not (text or thought.signature):
            return b""
        opening = b""
        if self._open != "thinking":
            opening = self._begin({"type": "thinking", "thinking": "", "signature": ""})
        if text:
            opening += self._delta({"type": "thinking_delta", "thinking": text})
        if thought.signature:
            opening += self._delta({"type": "signature_delta", "signature": thought.signature}) + self._end_block()
        return opening

    def step(self, step: ToolStep) -> bytes:
        """Return the events of a tool that the server calls, or has called: a content block for each."""
        block = _block(step)
        frames = self._begin(msgspec.to_builtins(block))
        if isinstance(block, ServerToolUseBlock):
            frames += self._delta({"type": "input_json_delta", "partial_json": _encode(block.input).decode()})
        return frames + self._end_block()

    def end(self, ending: Ending) -> bytes:
        """Return the calls of tools, and the two events that end a message."""
        frames = b"" if self._begun else self._start()
        if self._open == "text":
            for citation in _citations(ending.sources, "".join(self._text)):
                frames += self._delta({"type": "citations_delta", "citation": citation})
        for call in ending.tool_calls:
            frames += self._call(call)
        frames += self._end_block()
        stop_reason, stop_sequence = _stop(ending)
        delta = {"stop_reason": stop_reason, "stop_sequence": stop_sequence}
        frames += _event(
            "message_delta",
            delta=delta,
            usage=_usage(ending.usage),
            orbit=extra_of(ending, self._request_id, self._ignored),
        )
        return frames + _event("message_stop")

    def failure(self, error: BaseException) -> bytes:
        """Return the event that ends a stream that failed."""
        return b"event: error\ndata: " + _encode(error_body(error, self._request_id)[1]) + b"\n\n"

    def _start(self) -> bytes:
        """Return the first event of a stream."""
        self._begun = True
        message: dict[str, Any] = {
            "id": f"msg_{self._request_id}",
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": MessageUsage(0, 0),
        }
        return _event("message_start", message=message)

    def _begin(self, block: dict[str, Any]) -> bytes:
        """Return the event that begins a content block, after those that must precede it."""
        opening = self._end_block() if self._begun else self._start()
        self._index += 1
        self._open = block["type"]
        head = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":'
        self._before = head + str(self._index).encode() + b',"delta":{"type":"text_delta","text":'
        return opening + _event("content_block_start", index=self._index, content_block=block)

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return _event("content_block_delta", index=self._index, delta=delta)

    def _end_block(self) -> bytes:
        """Return the event that ends the content block, if one has begun."""
        if not self._open:
            return b""
        self._open = ""
        return _event("content_block_stop", index=self._index)

    def _call(self, call: ToolCall) -> bytes:
        opening = self._begin({"type": "tool_use", "id": call.id, "name": call.name, "input": {}})
        return opening + self._delta({"type": "input_json_delta", "partial_json": call.arguments})

    def _thinking(self, thoughts: Iterable[AnswerPart]) -> Iterator[ThinkingBlock]:
        """Yield the blocks of thoughts."""
        for block in joined(thought for thought in thoughts if isinstance(thought, Thought)):
            text = "" if self._omits else block.text
            if text or block.signature:
                yield ThinkingBlock(text, block.signature)


def _block(part: AnswerPart) -> ContentBlock:
    """Return the content block of text, or of a step of a tool. Input that is no object is left out."""
    if isinstance(part, str):
        return TextBlock(part)
    assert isinstance(part, ToolStep)
    if part.status == "running":
        arguments = part.arguments or ""
        return ServerToolUseBlock(part.id, part.name, msgspec.json.decode(arguments) if is_object(arguments) else {})
    return ServerToolResultBlock(part.id, part.status != "ok", (TextBlock(part.result or ""),))


def _event(kind: str, **fields: Any) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + _encode({"type": kind, **fields}) + b"\n\n"


def _stop(ending: Ending) -> tuple[str, str | None]:
    """Return why the answer ended, and the text that ended it."""
    if ending.finish_reason == "stop" and ending.stopped_by:
        return "stop_sequence", ending.stopped_by
    return _STOP_REASONS[ending.finish_reason], None


def _usage(usage: Usage) -> MessageUsage:
    thought = OutputDetails(usage.reasoning_tokens) if usage.reasoning_tokens else None
    fresh = max(0, usage.prompt_tokens - usage.cached_tokens)
    return MessageUsage(fresh, usage.completion_tokens, usage.cached_tokens, output_tokens_details=thought)


def _citations(sources: Iterable[Source], text: str) -> Iterator[Citation]:
    """Yield the passages that an answer cites; all that the model was given if it cites none."""
    cited = {int(number) for number in _CITED.findall(text)}
    given = {source.number: source for source in sources}
    for number in sorted(cited & given.keys()) or given:
        source = given[number]
        yield Citation(source.text, number - 1, source.link or source.source, named(source))
