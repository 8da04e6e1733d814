"""Turns a model's thoughts on and off, with the variables of its chat template."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from typing import Any, Final, Literal, TypeAlias

from orbit_llamacpp.conversation import TemplateError

Think: TypeAlias = bool | Literal["low", "medium", "high"] | None

_SWITCHES: Final = ("enable_thinking", "thinking")
_EFFORT: Final = "reasoning_effort"
_BUDGET: Final = "thinking_budget"
_NO_EFFORT: Final = "none"


def variables(think: Think, known: Collection[str], texts: Collection[str]) -> dict[str, Any]:
    """Return the variables to set for a template that reads the names ``known`` and contains the words ``texts``.

    Raises TemplateError if the template has no suitable variable.
    """
    if think is None:
        return {}
    switches = dict.fromkeys((name for name in _SWITCHES if name in known), think is not False)
    if think is False:
        values: dict[str, Any] = {**switches}
        if _EFFORT in known and _NO_EFFORT in texts:
            values[_EFFORT] = _NO_EFFORT
        if _BUDGET in known:
            values[_BUDGET] = 0
        if values:
            return values
    elif think is True and switches:
        return switches
    elif _EFFORT in known:
        return {**switches, _EFFORT: "medium" if think is True else think}
    raise TemplateError(_impossible(think, switches=bool(switches), effort=_EFFORT in known))


def choices(known: Collection[str], texts: Collection[str]) -> list[str]:
    """Return the values that ``think`` may have for a template, in YAML syntax."""
    found = []
    every: tuple[Think, ...] = (True, False, "low", "medium", "high")
    for think in every:
        with contextlib.suppress(TemplateError):
            variables(think, known, texts)
            found.append(str(think).lower())
    return found


def _impossible(think: Think, *, switches: bool, effort: bool) -> str:
    asked = str(think).lower()
    if effort:
        return f"the model's chat template cannot switch thoughts off; set low, medium or high, not {asked}"
    if switches:
        return f"the model's chat template can only switch thoughts on and off; set true or false, not {asked}"
    return f"the model's chat template has no variable for it, so {asked} would have no effect; remove the setting"
