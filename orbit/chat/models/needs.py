"""What a turn needs of its model beyond text, and the refusal if the model does not support it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from orbit.chat.turn import Turn
from orbit.errors import OrbitError
from orbit.types import Capability, File, Image

_WORDS: Final[dict[Capability, tuple[str, str]]] = {
    "tools": ("tools", "tools"),
    "images": ("messages", "images"),
    "files": ("messages", "files"),
    "reasoning": ("reasoning_effort", "a choice of its reasoning effort"),
    "logprobs": ("logprobs", "probabilities of tokens"),
    "continue": ("messages", "going on with an answer: the last message must be a question or the result of a tool"),
}
"""The part of a request that needs it, as in ``ProviderError.option``, and its name in sentences."""


class Unsupported(OrbitError):
    """The model does not support what the request needs. ``option`` is as in ``ProviderError``."""

    code = "unsupported_by_model"

    def __init__(self, need: Capability, model: str, able: Sequence[str]) -> None:
        self.option, what = _WORDS[need]
        others = f"Models that do: {', '.join(able)}." if able else "No model of this server does."
        self.client = f"The model '{model}' does not support {what}. {others}"
        super().__init__(self.client)


def needs_of(turn: Turn) -> frozenset[Capability]:
    """Return what a turn needs beyond text."""
    options = turn.options
    wanted = options.tools or options.reasoning_effort or options.logprobs is not None
    return frozenset(_needs(turn)) if turn.parts or turn.history or turn.later or wanted else _NOTHING


_NOTHING: Final[frozenset[Capability]] = frozenset()


def _needs(turn: Turn) -> Iterator[Capability]:
    options = turn.options
    messages = (*turn.history, *turn.later)
    forbidden = options.tool_choice is not None and options.tool_choice.mode == "none"
    if (options.tools and not forbidden) or any(message.tool_calls or message.role == "tool" for message in messages):
        yield "tools"
    parts = [*turn.parts, *(part for message in messages for part in message.parts)]
    if any(isinstance(part, Image) for part in parts):
        yield "images"
    if any(isinstance(part, File) for part in parts):
        yield "files"
    if options.reasoning_effort not in (None, "none"):  # a model that cannot think does not think at all
        yield "reasoning"
    if options.logprobs is not None:
        yield "logprobs"
    if turn.later and turn.later[-1].role == "assistant":
        yield "continue"
