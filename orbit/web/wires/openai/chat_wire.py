"""Translates answers into ``chat.completion`` objects."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from orbit.chat.answer.parts import AnswerPart, text_of
from orbit.chat.outcome import Ending, ScoredText, ToolStep
from orbit.types import Thought, ToolCall, WrittenToken
from orbit.web.wires.extra import AnswerExtra, extra_of, linked, named, numbered
from orbit.web.wires.openai.errors import error_body
from orbit.web.wires.sending import Wire

_encode = msgspec.json.Encoder().encode
_DONE = b"data: [DONE]\n\n"
COMPLETION_STREAM = (
    "Server-sent events. Each `data:` is a `chat.completion.chunk` of OpenAI's API, the last one with ORBIT's `orbit`, "
    "and then `[DONE]`; or an `ErrorBody`, which ends the stream."
)


class CalledFunction(msgspec.Struct, frozen=True):
    """The function that a model calls, and the JSON of its arguments."""

    name: str
    arguments: str


class CompletionToolCall(msgspec.Struct, frozen=True):
    """A model's call of a tool."""

    id: str
    function: CalledFunction
    type: str = "function"


class UrlCitation(msgspec.Struct, frozen=True):
    """A source that people can open. It belongs to the whole answer, so both indices span it."""

    url: str
    title: str
    start_index: int
    end_index: int


class Annotation(msgspec.Struct, frozen=True):
    """A remark on the answer's text."""

    url_citation: UrlCitation
    type: str = "url_citation"


class CompletionMessage(msgspec.Struct, frozen=True):
    """The answer's text (null if it only calls tools), the tools it calls, and the model's thoughts."""

    content: str | None
    role: str = "assistant"
    refusal: str | None = None
    annotations: tuple[Annotation, ...] | msgspec.UnsetType = msgspec.UNSET
    tool_calls: tuple[CompletionToolCall, ...] | msgspec.UnsetType = msgspec.UNSET
    reasoning_content: str | msgspec.UnsetType = msgspec.UNSET


class TokenLogprobs(msgspec.Struct, frozen=True):
    """The probabilities of the answer's tokens."""

    content: tuple[WrittenToken, ...]
    refusal: None = None


class Choice(msgspec.Struct, frozen=True):
    """The only answer."""

    message: CompletionMessage
    finish_reason: str
    index: int = 0
    logprobs: TokenLogprobs | None = None


class PromptDetails(msgspec.Struct, frozen=True):
    """Tokens that came from a cache."""

    cached_tokens: int


class CompletionDetails(msgspec.Struct, frozen=True):
    """Tokens of thoughts."""

    reasoning_tokens: int


class CompletionUsage(msgspec.Struct, frozen=True):
    """Tokens read and written; 0 if the provider does not count."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails
    completion_tokens_details: CompletionDetails


class Completion(msgspec.Struct, frozen=True):
    """The body of a whole completion."""

    id: str
    created: int
    model: str
    choices: tuple[Choice, ...]
    usage: CompletionUsage
    orbit: AnswerExtra
    object: str = "chat.completion"


class CompletionWire(Wire):
    """Writes one completion. The extra field ``orbit`` holds sources and ORBIT's metadata."""

    prefix: ClassVar = "chatcmpl"
    """The beginning of its id."""
    chunk: ClassVar = "chat.completion.chunk"
    """The type of the objects in its stream."""

    def __init__(self, request_id: str, model: str, *, include_usage: bool, ignored: tuple[str, ...] = ()) -> None:
        """``ignored`` are the unknown parameters of the request."""
        self._request_id = request_id
        self._ignored = ignored
        self._include_usage = include_usage
        self._head: dict[str, Any] = {"id": f"{self.prefix}-{request_id}", "created": int(time.time()), "model": model}
        self._chars = 0
        self._before = self._after = b""  # the JSON around each text, from the first piece on

    def whole(self, parts: Sequence[AnswerPart], ending: Ending) -> bytes:
        """Return the body of a completion that is not streamed."""
        text = text_of(parts)
        calls = tuple([_call(call) for call in ending.tool_calls])
        message = CompletionMessage(
            text if text or not calls else None,
            annotations=self._annotations(ending, len(text)) or msgspec.UNSET,
            tool_calls=calls or msgspec.UNSET,
            reasoning_content=ending.reasoning or msgspec.UNSET,
        )
        logprobs = TokenLogprobs(ending.logprobs) if ending.logprobs else None
        choice = Choice(message, ending.finish_reason, logprobs=logprobs)
        return _encode(
            Completion(
                **self._head,
                choices=(choice,),
                usage=usage_of(ending),
                orbit=extra_of(ending, self._request_id, self._ignored),
            )
        )

    def piece(self, text: str) -> bytes:
        """Return a chunk of text, the first one after the chunk with the role."""
        opening = b"" if self._before else self._open()
        self._chars += len(text)
        if isinstance(text, ScoredText):
            return opening + self._scored(text)
        return opening + self._before + _encode(text) + self._after

    def thought(self, thought: Thought) -> bytes:
        """Return a chunk of the model's thoughts."""
        if not thought.text:
            return b""
        opening = b"" if self._before else self._open()
        return opening + self._delta({"reasoning_content": thought.text})

    def step(self, step: ToolStep) -> bytes:
        """Return a chunk without text whose ``orbit`` says what the server does with a tool."""
        opening = b"" if self._before else self._open()
        return opening + self._delta({}, orbit={"tool": step})

    def end(self, ending: Ending) -> bytes:
        """Return the chunk with the finish reason, the usage if requested, and ``[DONE]``."""
        return self.finish(ending) + self.close(ending)

    def finish(self, ending: Ending) -> bytes:
        """Return the chunk with the finish reason, after what the answer has beside its text."""
        opening = b"" if self._before else self._open()
        orbit = extra_of(ending, self._request_id, self._ignored)
        return opening + self._beside(ending) + self._chunk(self._last(ending), orbit)

    def close(self, ending: Ending) -> bytes:
        """Return the usage, if requested, and ``[DONE]``."""
        if not self._include_usage:
            return _DONE
        usage = {**self._head, "object": self.chunk, "choices": [], "usage": usage_of(ending)}
        return b"data: " + _encode(usage) + b"\n\n" + _DONE

    def failure(self, error: BaseException) -> bytes:
        """Return the error that ends a stream. No ``[DONE]`` follows it."""
        return b"data: " + _encode(error_body(error, self._request_id)[1]) + b"\n\n"

    def _open(self) -> bytes:
        """Return the first chunk of a stream, which has the role."""
        self._around('{"index":0,"delta":{"content":', '},"finish_reason":null}')
        return self._before + b'"","role":"assistant"' + self._after

    def _around(self, before: str, after: str) -> None:
        """Keep the JSON around each text; these are its parts within the choice."""
        chunk = _encode({**self._head, "object": self.chunk})[:-1]
        usage = b',"usage":null' if self._include_usage else b""
        self._before = b"data: " + chunk + b',"choices":[' + before.encode()
        self._after = after.encode() + b"]" + usage + b"}\n\n"

    def _scored(self, text: ScoredText) -> bytes:
        return self._delta({"content": str(text)}, logprobs=TokenLogprobs(text.logprobs))

    def _last(self, ending: Ending) -> dict[str, Any]:
        """Return the last choice of a stream."""
        return {"index": 0, "delta": {}, "finish_reason": ending.finish_reason}

    def _beside(self, ending: Ending) -> bytes:
        """Return the chunks of what an answer has beside its text."""
        frames = self._calls(ending.tool_calls)
        annotations = self._annotations(ending, self._chars)
        return frames + self._delta({"annotations": annotations}) if annotations else frames

    def _calls(self, calls: tuple[ToolCall, ...]) -> bytes:
        """Return two chunks for each call, as OpenAI's server begins it: its id and name, then its arguments."""
        frames = b""
        for index, call in enumerate(calls):
            function = {"name": call.name, "arguments": ""}
            begun = {"index": index, "id": call.id, "type": "function", "function": function}
            rest = {"index": index, "function": {"arguments": call.arguments}}
            frames += self._delta({"tool_calls": [begun]}) + self._delta({"tool_calls": [rest]})
        return frames

    def _annotations(self, ending: Ending, chars: int) -> tuple[Annotation, ...]:
        """Return the sources with an address that people can open, each once; all, in order, if the client counts."""
        sources = ending.sources
        if not sources:
            return ()
        cited = numbered(sources) if self.numbered else [(item.link, named(item)) for item in linked(sources)]
        return tuple([Annotation(UrlCitation(link, title, 0, chars)) for link, title in cited])

    def _delta(self, delta: dict[str, Any], orbit: dict[str, Any] | None = None, **choice: Any) -> bytes:
        """Return a chunk that is not only text."""
        return self._chunk({"index": 0, "delta": delta, "finish_reason": None, **choice}, orbit)

    def _chunk(self, choice: dict[str, Any], orbit: Any = None) -> bytes:
        chunk: dict[str, Any] = {**self._head, "object": self.chunk, "choices": [choice]}
        if orbit is not None:
            chunk["orbit"] = orbit
        if self._include_usage:
            chunk["usage"] = None
        return b"data: " + _encode(chunk) + b"\n\n"


def usage_of(ending: Ending) -> CompletionUsage:
    """Return the tokens of an answer."""
    read, written = ending.usage.prompt_tokens, ending.usage.completion_tokens
    cached, thought = ending.usage.cached_tokens, ending.usage.reasoning_tokens
    return CompletionUsage(read, written, read + written, PromptDetails(cached), CompletionDetails(thought))


def _call(call: ToolCall) -> CompletionToolCall:
    return CompletionToolCall(call.id, CalledFunction(call.name, call.arguments))
