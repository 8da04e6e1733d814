"""Translates answers into ``text_completion`` objects."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import msgspec

from orbit.chat.answer.parts import AnswerPart, text_of
from orbit.chat.batch import BatchAnswered, OfBatch
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
    """The answer to one prompt; ``index`` is the prompt's number. ``orbit`` is here if there are several."""

    text: str
    finish_reason: str
    index: int = 0
    logprobs: TextLogprobs | None = None
    orbit: AnswerExtra | msgspec.UnsetType = msgspec.UNSET


class TextCompletion(msgspec.Struct, frozen=True):
    """The body of a whole completion of a text."""

    id: str
    created: int
    model: str
    choices: tuple[TextChoice, ...]
    usage: CompletionUsage
    orbit: AnswerExtra | msgspec.UnsetType = msgspec.UNSET
    object: str = "text_completion"


class TextWire(CompletionWire):
    """Writes the completion of one prompt; ``index`` is its number."""

    prefix = "cmpl"
    chunk = "text_completion"
    index = 0

    def whole(self, parts: Sequence[AnswerPart], ending: Ending) -> bytes:
        """Return the body of a completion that is not streamed."""
        orbit = extra_of(ending, self._request_id, self._ignored)
        choices = (self.choice(parts, ending),)
        return _encode(TextCompletion(**self._head, choices=choices, usage=usage_of(ending), orbit=orbit))

    def choice(self, parts: Sequence[AnswerPart], ending: Ending) -> TextChoice:
        """Return the whole answer to the prompt."""
        logprobs = _logprobs(ending.logprobs, 0) if ending.logprobs else None
        return TextChoice(text_of(parts), ending.finish_reason, self.index, logprobs)

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
        self._around(f'{{"index":{self.index},"text":', ',"logprobs":null,"finish_reason":null}')
        return b""

    def _scored(self, text: ScoredText) -> bytes:
        choice = {"text": str(text), "logprobs": _logprobs(text.logprobs, self._chars - len(text))}
        return self._chunk({"index": self.index, **choice, "finish_reason": None})

    def _last(self, ending: Ending) -> dict[str, Any]:
        return {"index": self.index, "text": "", "logprobs": None, "finish_reason": ending.finish_reason}

    def _beside(self, ending: Ending) -> bytes:
        del ending
        return b""


class BatchWire(TextWire):
    """Writes the completions of several prompts as one. The chunks of its stream come as the models write them."""

    def __init__(self, prompts: int, *head: Any, **options: Any) -> None:
        """Take the number of prompts, and what a ``TextWire`` takes."""
        super().__init__(*head, **options)
        self._each = [copy.copy(self) for _ in range(prompts)]
        for index, wire in enumerate(self._each):
            wire.index = index

    def whole(self, parts: Sequence[AnswerPart], ending: Ending) -> bytes:
        """Return the body of a completion that is not streamed."""
        del parts
        assert isinstance(ending, BatchAnswered)
        choices = [
            msgspec.structs.replace(wire.choice(parts, ending), orbit=extra_of(ending, self._request_id, self._ignored))
            for wire, (parts, ending) in zip(self._each, ending.answers, strict=True)
        ]
        return _encode(TextCompletion(**self._head, choices=tuple(choices), usage=usage_of(ending)))

    def of_batch(self, part: OfBatch) -> bytes:
        """Return the chunks of an event of one answer."""
        wire, event = self._each[part.index], part.event
        if isinstance(event, str):
            return wire.piece(event)
        if not isinstance(event, Ending):
            return b""
        return (wire.piece(event.text) if event.text else b"") + wire.finish(event)

    def end(self, ending: Ending) -> bytes:
        """Return the usage, if requested, and ``[DONE]``."""
        return self.close(ending)


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
