"""How much the model thinks in a request, and the fields that say so. Pure functions, without connections."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from orbit import GenerateOptions, Message, ProviderError
from orbit_anthropic.models import Model
from orbit_anthropic.settings import AnthropicSettings

_BUDGETS: Final = {"low": 2048, "medium": 8192, "high": 16_384, "xhigh": 32_768}
"""Effort -> tokens for thoughts, for models that take a budget."""
_LEAST: Final = 1024
"""The smallest budget that the API takes."""
_LEAST_TOP_P: Final = 0.95


class Wish(msgspec.Struct, frozen=True):
    """How much to think. ``effort`` is empty to leave it to the model; ``off`` switches thinking off."""

    effort: str = ""
    off: bool = False
    chosen: bool = False
    """Whether the client asked for it, and not only the operator's settings."""


OFF: Final = Wish(off=True)
_BESIDE_THOUGHTS: Final[dict[str, Callable[[float], bool]]] = {
    "temperature": lambda value: value == 1,
    "top_p": lambda value: value >= _LEAST_TOP_P,
    "top_k": lambda value: value == 0,
}
"""Options of sampling -> whether the API takes a value together with thinking."""


def wish(settings: AnthropicSettings, options: GenerateOptions) -> Wish | None:
    """Return how much the model is to think; None if nobody says, which leaves it to the model."""
    asked = options.reasoning_effort
    if asked is not None:
        return Wish("low" if asked == "minimal" else asked, chosen=True) if asked != "none" else OFF
    if settings.think is None:
        return None
    return Wish(settings.think if isinstance(settings.think, str) else "", off=not settings.think)


def possible(found: Wish | None, options: GenerateOptions) -> Wish | None:
    """Return the wish if the model may think in this request, else one to switch thinking off.

    Raises ProviderError if the client asks for thinking together with what excludes it.
    """
    if found is None or found.off:
        return found
    if options.tool_choice is not None and options.tool_choice.mode == "required":
        return OFF
    for name, fits in _BESIDE_THOUGHTS.items():
        value = getattr(options, name)
        if value is None or fits(value):
            continue
        if found.chosen and options.strict:
            sentence = f"This model does not accept '{name}' while it thinks."
            raise ProviderError(f"{name} excludes thinking.", kind="rejected", client=sentence, option=name)
        return found if found.chosen else OFF
    return found


def fields(found: Wish | None, model: Model | None, tokens: int, *, adaptive: bool) -> dict[str, Any]:
    """Return the fields of a request that control thinking; ``tokens`` are those of the longest answer."""
    if found is None:
        return {}
    if found.off:
        return {"thinking": {"type": "disabled"}}
    if not adaptive:
        budget = _BUDGETS.get(found.effort or "medium", _BUDGETS["medium"])
        longest = model.longest if model is not None else None
        if longest is not None:
            budget = max(_LEAST, min(budget, longest - tokens))
            tokens = min(tokens + budget, longest)
        else:
            tokens += budget
        return {"thinking": {"type": "enabled", "budget_tokens": min(budget, tokens - 1)}, "max_tokens": tokens}
    made: dict[str, Any] = {"thinking": {"type": "adaptive", "display": "summarized"}}
    if found.effort and (effort := _effort(found.effort, model)):
        made["output_config"] = {"effort": effort}
    return made


def _effort(asked: str, model: Model | None) -> str:
    """Return the level of effort that a model has, nearest to the one asked for; empty if it has none."""
    levels = None if model is None else model.efforts
    if levels is None or asked in levels:
        return asked
    return "high" if "high" in levels else ""


def lacks_thoughts(messages: Sequence[Message], *, accepted: bool) -> bool:
    """Return whether a round of tools begins without the thoughts that a model with a budget insists on.

    ``accepted`` says whether the server takes those that the conversation brings back.
    """
    asked = max((place for place, message in enumerate(messages) if message.role == "user"), default=0)
    calling = next((message for message in messages[asked:] if message.tool_calls), None)
    return calling is not None and not (accepted and calling.thoughts)
