"""How a chat turn ends: the one typed outcome that the client's answer and the chat log both follow from."""

from __future__ import annotations

from typing import Literal, Self, TypeAlias

import msgspec

from orbit.types import FinishReason, Source, Thought, ToolCall, ToolStatus, ToolUse, Usage, WrittenToken


class Ending(msgspec.Struct, frozen=True):
    """The last event of a turn that has an answer.

    ``text`` is the operator's own text, if one replaces the model's or follows it; no event repeats it.
    ``dropped_documents`` and ``dropped_turns`` did not fit the model's context. ``without_documents`` is true if
    retrieval failed and the operator chose to answer anyway. ``remembered`` is true if a conversation keeps the turn.
    ``thoughts`` has all thoughts of the model, and ``logprobs`` all tokens, if the turn wants them.
    ``tries`` is how many providers were asked until one answered. ``stopped_by`` is as in ``Chunk``. ``tool_calls`` are
    for the client to run; ``tool_uses`` are those that the server has run.
    """

    text: str = ""
    finish_reason: FinishReason = "stop"
    sources: tuple[Source, ...] = ()
    usage: Usage = Usage()
    provider: str = ""
    model: str = ""
    dropped_documents: int = 0
    dropped_turns: int = 0
    without_documents: bool = False
    remembered: bool = False
    tool_calls: tuple[ToolCall, ...] = ()
    thoughts: tuple[Thought, ...] = ()
    logprobs: tuple[WrittenToken, ...] = ()
    tries: int = 0
    stopped_by: str = ""
    tool_uses: tuple[ToolUse, ...] = ()

    @property
    def reasoning(self) -> str:
        """The text of all thoughts."""
        return "".join([thought.text for thought in self.thoughts])


class Answered(Ending, frozen=True):
    """The model answered."""


class NothingFound(Ending, frozen=True):
    """No document matched, and the operator's text answers in the model's place."""


class Refused(Ending, frozen=True):
    """A moderator, or the model's own filter, refused the question or the answer. ``reason`` is for operators."""

    finish_reason: FinishReason = "content_filter"
    reason: str = ""


class EndsEarly(Exception):
    """Ends a turn before the model has given its whole answer. It never leaves the pipeline."""

    def __init__(self, ending: NothingFound | Refused) -> None:
        super().__init__()
        self.ending = ending


class Failed(msgspec.Struct, frozen=True):
    """An error ended the turn; the client gets it too."""

    error: Exception


class Cancelled(msgspec.Struct, frozen=True):
    """The client left, or the server stopped, before the turn had another outcome."""


CANCELLED = Cancelled()


Outcome: TypeAlias = Answered | NothingFound | Refused | Failed | Cancelled


class Found(msgspec.Struct, frozen=True):
    """The passages that the model reads, before its answer begins; only turns that want them early get them."""

    sources: tuple[Source, ...]


class ToolStep(msgspec.Struct, frozen=True):
    """The server begins to call a tool (``running``), or has called it. ``id`` names the call; seconds are its time.

    Only clients that want it get the details: the arguments, and the result once the tool has been called.
    """

    id: str
    name: str
    status: Literal["running"] | ToolStatus
    seconds: float = 0.0
    arguments: str | msgspec.UnsetType = msgspec.UNSET
    result: str | msgspec.UnsetType = msgspec.UNSET


class ScoredText(str):
    """A piece of an answer together with the probabilities of its tokens."""

    __slots__ = ("logprobs",)

    logprobs: tuple[WrittenToken, ...]

    def __new__(cls, text: str, logprobs: tuple[WrittenToken, ...]) -> Self:
        """Make a text that knows its tokens."""
        piece = super().__new__(cls, text)
        piece.logprobs = logprobs
        return piece


Event: TypeAlias = str | Thought | Found | ToolStep | Ending
"""A new piece of the answer's text, what else the turn wants (thoughts, passages), a step of a tool, or (last, once)
the ending.
"""
