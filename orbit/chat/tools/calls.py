"""The tool calls of an answer that the client gets: whole ones, of tools that it allowed."""

from __future__ import annotations

import msgspec

from orbit.errors import ProviderError
from orbit.types import FinishReason, GenerateOptions, ToolCall


def allowed(calls: tuple[ToolCall, ...], options: GenerateOptions, provider: str) -> tuple[ToolCall, ...]:
    """Return the calls that the options allow. Raises ProviderError if one is no call that a client can use."""
    choice = options.tool_choice
    if not calls or not options.tools or (choice is not None and choice.mode == "none"):
        return ()
    for call in calls:
        if not (call.id and call.name and is_object(call.arguments)):
            raise ProviderError(
                f"the model called the tool {call.name!r} with arguments that are no JSON object, or without an id.",
                client="The model called a tool with arguments that are not valid JSON. Try again.",
                retryable=True,
                provider=provider,
                operation="generate",
            )
    return calls[:1] if options.parallel_tool_calls is False else calls


def ended(reason: FinishReason, calls: tuple[ToolCall, ...]) -> FinishReason:
    """Return the finish reason of an answer with these calls, whatever the provider called it."""
    if calls and reason == "stop":
        return "tool_calls"
    return "stop" if reason == "tool_calls" and not calls else reason


def is_object(arguments: str) -> bool:
    """Return whether arguments are a JSON object."""
    try:
        return isinstance(msgspec.json.decode(arguments), dict)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False
