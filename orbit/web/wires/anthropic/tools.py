"""The tools of a request for a message, and which of them the model may call."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from orbit.types import Tool, ToolChoice
from orbit.web.wires.checks import ParameterError, check_chosen, check_tool, check_tools


class MessageTool(msgspec.Struct, frozen=True):
    """A tool that the client runs. Tools that Anthropic's own server runs are not supported."""

    name: str = ""
    type: str | None = None
    description: str = ""
    input_schema: dict[str, Any] | None = None
    strict: bool | None = None


class MessageToolChoice(msgspec.Struct, frozen=True):
    """Whether the model calls tools, which one, and several at once."""

    type: Literal["auto", "any", "tool", "none"]
    name: str = ""
    disable_parallel_tool_use: bool | None = None


def tools_of(
    given: list[MessageTool] | None, choice: MessageToolChoice | None
) -> tuple[tuple[Tool, ...], ToolChoice | None]:
    """Return the tools that the model may call, and its choice. Raises ParameterError."""
    tools = tuple([_tool(tool, f"tools.{number}") for number, tool in enumerate(given or ())])
    check_tools(tools)
    if choice is None:
        return tools, None
    if choice.type == "tool":
        check_chosen(choice.name, tools)
        return tools, ToolChoice("required", choice.name)
    if choice.type == "any" and not tools:
        raise ParameterError("tool_choice", "'tool_choice' is 'any', but there are no 'tools'.")
    mode: Literal["auto", "none", "required"] = "required" if choice.type == "any" else choice.type
    return tools, ToolChoice(mode) if tools else None


def _tool(tool: MessageTool, where: str) -> Tool:
    if tool.type not in (None, "custom"):
        detail = f"Tools of the type '{tool.type[:50]}' are not supported; only the client's own are ('custom')."
        raise ParameterError(f"{where}.type", detail)
    found = Tool(tool.name, tool.description, tool.input_schema or None, tool.strict)
    return check_tool(found, f"{where}.name", f"{where}.input_schema")
