"""Translates answers into ``text_completion`` objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from orbit.chat.answer.parts import AnswerPart, text_of
from orbit.chat.outcome import Ending, ScoredText, ToolStep
from orbit.types import Thought, WrittenToken
from orbit.web.wires.extra import AnswerExtra, extra_of
from orbit.web.wires.openai.chat_wire import CompletionUsage, CompletionWire, usage_of

_encode = msgspec.json.Encoder().encode
TEXT_STREAM = (
    "Server-sent events. Each `data:` is a `text_completion` of OpenAI's API, the last one with ORBIT's `orbit`, and "
    "then `[DONE]`; or an `ErrorBody`, which ends the stream."
)


class TextLogprobs(msgspec.Struct, frozen=True):
    """The probabilities of the answer's tokens, and where in the text each begins."""

    tokens: tuple[str, ...]
    token_logprobs: tuple[float, ...]
    top_logprobs: tuple[dict[str, float], ...]
    text_offset: tuple[int, ...]


class TextChoice(msgspec.Struct, frozen=True):
    """The only answer."""

    text: str
    finish_reason: str
    index: int = 0
    logprobs: TextLogprobs | None = None


class TextCompletion(msgspec.Struct, frozen=True):
    """The body of a whole completion of a text."""

    id: str
    created: int
    model: str
    choices: tuple[TextChoice, ...]
    usage: CompletionUsage
    orbit: AnswerExtra
    object: str = "text_completion"


class TextWire(CompletionWire):
    """Writes one completion of a text."""

    prefix = "cmpl"
    chunk = "text_completion"

    def whole(self, parts: Sequence[AnswerPart], ending: Ending) -> bytes:
        """Return the body of a completion that is not streamed."""
        logprobs = _logprobs(ending.logprobs, 0) if ending.logprobs else None
        choice = TextChoice(text_of(parts), ending.finish_reason, logprobs=logprobs)
        orbit = extra_of(ending, self._request_id, self._ignored)
        return _encode(TextCompletion(**self._head, choices=(choice,), usage=usage_of(ending), orbit=orbit))

    def thought(self, thought: Thought) -> bytes:
        """Return nothing: these answers have no place for thoughts."""
        del thought
        return b""

    def step(self, step: ToolStep) -> bytes:
        """Return nothing: these answers have no place for steps of tools."""
        del step
        return b""

    def _open(self) -> bytes:
        """Prepare the JSON around each text; no chunk precedes the first."""
        self._around('{"index":0,"text":', ',"logprobs":null,"finish_reason":null}')
        return b""

    def _scored(self, text: ScoredText) -> bytes:
        choice = {"text": str(text), "logprobs": _logprobs(text.logprobs, self._chars - len(text))}
        return self._chunk({"index": 0, **choice, "finish_reason": None})

    def _last(self, ending: Ending) -> dict[str, Any]:
        return {"index": 0, "text": "", "logprobs": None, "finish_reason": ending.finish_reason}

    def _beside(self, ending: Ending) -> bytes:
        del ending
        return b""


def _logprobs(tokens: tuple[WrittenToken, ...], start: int) -> TextLogprobs:
    offsets: list[int] = []
    for token in tokens:
        offsets.append(start)
        start += len(token.token)
    return TextLogprobs(
        tuple([token.token for token in tokens]),
        tuple([token.logprob for token in tokens]),
        tuple([{likely.token: likely.logprob for likely in token.top_logprobs} for token in tokens]),
        tuple(offsets),
    )
