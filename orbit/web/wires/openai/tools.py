"""The tools of a request for a completion, and which of them the model may call."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from orbit.types import Tool, ToolChoice
from orbit.web.wires.checks import ParameterError, check_chosen, check_tool, check_tools


class FunctionTool(msgspec.Struct, frozen=True):
    """A function that the model may call."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class CompletionTool(msgspec.Struct, frozen=True):
    """A tool. Only functions are supported."""

    type: str = "function"
    function: FunctionTool | None = None


class NamedFunction(msgspec.Struct, frozen=True):
    """A function by its name."""

    name: str


class ChosenTool(msgspec.Struct, frozen=True):
    """A tool by its name."""

    type: str = "function"
    function: NamedFunction | None = None


class AllowedTools(msgspec.Struct, frozen=True):
    """Some of the tools, and whether the model must call one of them."""

    mode: Literal["auto", "required"]
    tools: list[ChosenTool]


class ChosenTools(msgspec.Struct, frozen=True):
    """One tool, or the allowed tools."""

    type: str = "function"
    function: NamedFunction | None = None
    allowed_tools: AllowedTools | None = None


def tools_of(
    given: list[CompletionTool] | None, choice: str | ChosenTools | None
) -> tuple[tuple[Tool, ...], ToolChoice | None]:
    """Return the tools that the model may call, and its choice. Raises ParameterError."""
    return chosen_of(tuple([_tool(tool, number) for number, tool in enumerate(given or ())]), choice)


def chosen_of(tools: tuple[Tool, ...], choice: str | ChosenTools | None) -> tuple[tuple[Tool, ...], ToolChoice | None]:
    """Return those of the tools that the model may call, and its choice. Raises ParameterError."""
    if tools:
        check_tools(tools)
    if choice is None:
        return tools, None
    if isinstance(choice, ChosenTools):
        return _chosen(choice, tools)
    if choice == "any":  # Mistral's word
        choice = "required"
    if choice not in ("auto", "none", "required"):
        detail = "'tool_choice' must be 'none', 'auto', 'required' or {\"type\": \"function\", \"function\": {...}}."
        raise ParameterError("tool_choice", detail)
    if choice == "required" and not tools:
        raise ParameterError("tool_choice", "'tool_choice' is 'required', but there are no 'tools'.")
    mode: Literal["auto", "none", "required"] = choice  # type: ignore[assignment]  # one of the three
    return tools, ToolChoice(mode) if tools else None


def check_function(kind: str, where: str) -> None:
    """Raise ParameterError if a tool is not a function that the client runs."""
    if kind != "function":
        detail = f"Tools of the type '{kind[:50]}' are not supported; only functions are."
        raise ParameterError(f"{where}.type", detail)


def _tool(tool: CompletionTool, number: int) -> Tool:
    where = f"tools[{number}]"
    check_function(tool.type, where)
    function = tool.function
    if function is None:
        raise ParameterError(f"{where}.function", "A tool must have a 'function'.")
    found = Tool(function.name, function.description or "", function.parameters or None, function.strict)
    return check_tool(found, f"{where}.function.name", f"{where}.function.parameters")


def _chosen(choice: ChosenTools, tools: tuple[Tool, ...]) -> tuple[tuple[Tool, ...], ToolChoice]:
    if choice.type == "function" and choice.function is not None:
        check_chosen(choice.function.name, tools)
        return tools, ToolChoice("required", choice.function.name)
    if choice.type == "allowed_tools" and choice.allowed_tools is not None:
        allowed = [item.function.name if item.function else "" for item in choice.allowed_tools.tools]
        for name in allowed:
            check_chosen(name, tools)
        if not allowed:
            raise ParameterError("tool_choice", "'allowed_tools' names no tools.")
        return tuple([tool for tool in tools if tool.name in allowed]), ToolChoice(choice.allowed_tools.mode)
    raise ParameterError("tool_choice", f"A 'tool_choice' of the type '{choice.type[:50]}' is not supported.")
