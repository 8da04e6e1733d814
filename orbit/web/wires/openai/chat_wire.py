"""Translates answers into ``chat.completion`` objects."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from orbit.chat.outcome import Ending, Refused
from orbit.types import Source
from orbit.web.wires.openai.errors import error_body

_encode = msgspec.json.Encoder().encode
_DONE = b"data: [DONE]\n\n"
COMPLETION_STREAM = (
    "Server-sent events. Each `data:` is a `chat.completion.chunk` of OpenAI's API, the last one with ORBIT's `orbit`, "
    "and then `[DONE]`; or an `ErrorBody`, which ends the stream."
)


class CompletionMessage(msgspec.Struct, frozen=True):
    """The answer's text."""

    content: str
    role: str = "assistant"
    refusal: str | None = None


class Choice(msgspec.Struct, frozen=True):
    """The only answer."""

    message: CompletionMessage
    finish_reason: str
    index: int = 0
    logprobs: None = None


class CompletionUsage(msgspec.Struct, frozen=True):
    """Tokens read and written; 0 if the provider does not count."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class CompletionExtra(msgspec.Struct, frozen=True):
    """ORBIT's metadata; OpenAI's clients ignore it."""

    request_id: str
    sources: tuple[Source, ...]
    blocked: bool
    dropped_documents: int
    dropped_turns: int
    without_documents: bool
    ignored: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    """Unknown parameters of the request; absent if there are none."""


class Completion(msgspec.Struct, frozen=True):
    """The body of a whole completion."""

    id: str
    created: int
    model: str
    choices: tuple[Choice, ...]
    usage: CompletionUsage
    orbit: CompletionExtra
    object: str = "chat.completion"


class CompletionWire:
    """Writes one completion. The extra field ``orbit`` holds sources and ORBIT's metadata."""

    def __init__(self, request_id: str, model: str, *, include_usage: bool, ignored: tuple[str, ...] = ()) -> None:
        """``ignored`` are the unknown parameters of the request."""
        self._request_id = request_id
        self._ignored = ignored or msgspec.UNSET
        self._include_usage = include_usage
        self._head: dict[str, Any] = {"id": f"chatcmpl-{request_id}", "created": int(time.time()), "model": model}
        self._before = self._after = b""  # the JSON around each text, from the first piece on

    def whole(self, text: str, ending: Ending) -> bytes:
        """Return the body of a completion that is not streamed."""
        choice = Choice(CompletionMessage(text), ending.finish_reason)
        return _encode(Completion(**self._head, choices=(choice,), usage=_usage(ending), orbit=self._extra(ending)))

    def piece(self, text: str) -> bytes:
        """Return a chunk of text, the first one after the chunk with the role."""
        opening = b"" if self._before else self._open()
        return opening + self._before + _encode(text) + self._after

    def end(self, ending: Ending) -> bytes:
        """Return the chunk with the finish reason, the usage if requested, and ``[DONE]``."""
        opening = b"" if self._before else self._open()
        head = {**self._head, "object": "chat.completion.chunk"}
        choice = {"index": 0, "delta": {}, "finish_reason": ending.finish_reason}
        last: dict[str, Any] = {**head, "choices": [choice], "orbit": self._extra(ending)}
        if self._include_usage:
            last["usage"] = None
        frames = opening + b"data: " + _encode(last) + b"\n\n"
        if self._include_usage:
            frames += b"data: " + _encode({**head, "choices": [], "usage": _usage(ending)}) + b"\n\n"
        return frames + _DONE

    def failure(self, error: BaseException) -> bytes:
        """Return the error that ends a stream. No ``[DONE]`` follows it."""
        return b"data: " + _encode(error_body(error, self._request_id)[1]) + b"\n\n"

    def _open(self) -> bytes:
        """Return the first chunk of a stream, which has the role."""
        chunk = _encode({**self._head, "object": "chat.completion.chunk"})[:-1]
        usage = b',"usage":null' if self._include_usage else b""
        self._before = b"data: " + chunk + b',"choices":[{"index":0,"delta":{"content":'
        self._after = b'},"finish_reason":null}]' + usage + b"}\n\n"
        return self._before + b'"","role":"assistant"' + self._after

    def _extra(self, ending: Ending) -> CompletionExtra:
        return CompletionExtra(
            self._request_id,
            ending.sources,
            isinstance(ending, Refused),
            ending.dropped_documents,
            ending.dropped_turns,
            ending.without_documents,
            self._ignored,
        )


def _usage(ending: Ending) -> CompletionUsage:
    read, written = ending.usage.prompt_tokens, ending.usage.completion_tokens
    return CompletionUsage(read, written, read + written)
