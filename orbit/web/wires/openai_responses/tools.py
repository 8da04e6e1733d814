"""Tools in the form of the Responses API: functions are not nested."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from orbit.types import Tool, ToolChoice
from orbit.web.wires.checks import check_tool
from orbit.web.wires.openai.tools import (
    AllowedTools,
    ChosenTool,
    ChosenTools,
    NamedFunction,
    check_function,
    chosen_of,
)


class ResponseTool(msgspec.Struct, frozen=True):
    """A tool that the model may call. Only functions are supported."""

    type: str = "function"
    name: str = ""
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ResponseToolName(msgspec.Struct, frozen=True):
    """A tool by its name."""

    name: str = ""
    type: str = "function"


class ResponseToolChoice(msgspec.Struct, frozen=True):
    """One tool, or the allowed tools."""

    type: str = "function"
    name: str | None = None
    mode: Literal["auto", "required"] = "auto"
    tools: list[ResponseToolName] = []


def tools_of(
    given: Sequence[ResponseTool] | None, choice: str | ResponseToolChoice | None
) -> tuple[tuple[Tool, ...], ToolChoice | None]:
    """Return the tools that the model may call, and its choice. Raises ParameterError."""
    tools = tuple([_tool(tool, f"tools[{number}]") for number, tool in enumerate(given)]) if given else ()
    return chosen_of(tools, _choice(choice)) if tools or choice is not None else (tools, None)


def _tool(tool: ResponseTool, where: str) -> Tool:
    check_function(tool.type, where)
    found = Tool(tool.name, tool.description or "", tool.parameters or None, tool.strict)
    return check_tool(found, f"{where}.name", f"{where}.parameters")


def _choice(choice: str | ResponseToolChoice | None) -> str | ChosenTools | None:
    """Return a choice of tools in the form of chat completions."""
    if not isinstance(choice, ResponseToolChoice):
        return choice
    if choice.type == "allowed_tools":
        allowed = [ChosenTool(tool.type, NamedFunction(tool.name)) for tool in choice.tools]
        return ChosenTools("allowed_tools", allowed_tools=AllowedTools(choice.mode, allowed))
    return ChosenTools(choice.type, NamedFunction(choice.name or ""))
