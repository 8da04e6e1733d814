"""Tools in Ollama's form. Ollama lets the model choose; a call that must happen is an answer after a JSON schema."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from orbit import GenerateOptions, Message, Tool, ToolCall
from orbit.upstreams import function_of, new_call_id


def is_forced(options: GenerateOptions) -> bool:
    """Return whether the answer must be a call of a tool."""
    choice = options.tool_choice
    return bool(options.tools) and choice is not None and choice.mode == "required"


def offered(options: GenerateOptions) -> list[dict[str, Any]]:
    """Return the tools that the model may call of its own accord."""
    forbidden = options.tool_choice is not None and options.tool_choice.mode == "none"
    if forbidden or is_forced(options):
        return []
    return [{"type": "function", "function": function_of(tool)} for tool in options.tools]


def forced_schema(options: GenerateOptions) -> dict[str, Any]:
    """Return the schema of an answer that is a call."""
    calls = [
        {
            "type": "object",
            "properties": {"name": {"enum": [tool.name]}, "arguments": function_of(tool)["parameters"]},
            "required": ["name", "arguments"],
        }
        for tool in _choosable(options)
    ]
    return calls[0] if len(calls) == 1 else {"anyOf": calls}


def forced_instruction(options: GenerateOptions) -> str:
    """Return the system message for an answer that is a call."""
    functions = [json.dumps(function_of(tool), ensure_ascii=False) for tool in _choosable(options)]
    task = 'Answer with a call of one of these functions, as JSON: {"name": ..., "arguments": {...}}.'
    return "\n".join([task, *functions])


def forced_call(text: str) -> tuple[ToolCall, ...]:
    """Return the call in an answer after ``forced_schema``; none if the answer was cut."""
    try:
        call = msgspec.json.decode(text)
        return (ToolCall(new_call_id(), str(call["name"]), json.dumps(call["arguments"], ensure_ascii=False)),)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, KeyError, TypeError):
        return ()


def calls_from(items: Iterable[Any]) -> Iterator[ToolCall]:
    """Yield the calls in ``tool_calls`` of an answer, each with an id of its own: older servers give none."""
    used: set[str] = set()
    for item in items:
        function = item.get("function") if isinstance(item, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            continue
        given, arguments = item.get("id"), function.get("arguments")
        call_id = given if isinstance(given, str) and given and given not in used else new_call_id()
        used.add(call_id)
        written = arguments if isinstance(arguments, str) else json.dumps(arguments or {}, ensure_ascii=False)
        yield ToolCall(call_id, function["name"], written.strip() or "{}")


def names_of_calls(messages: Sequence[Message]) -> dict[str, str]:
    """Return the tool of each call in a conversation, by its id: Ollama names the tool beside its result."""
    return {call.id: call.name for message in messages for call in message.tool_calls}


def _choosable(options: GenerateOptions) -> Sequence[Tool]:
    name = options.tool_choice.name if options.tool_choice is not None else ""
    return [tool for tool in options.tools if not name or tool.name == name]
