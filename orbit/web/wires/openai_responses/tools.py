"""Tools in the form of the Responses API: functions, and the search that the server makes anyway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec

from orbit.types import Tool, ToolChoice
from orbit.web.wires.checks import ParameterError, check_tool
from orbit.web.wires.openai.tools import (
    AllowedTools,
    ChosenTool,
    ChosenTools,
    NamedFunction,
    check_function,
    chosen_of,
)

_SEARCH: Final = "file_search"
OWN_STORE: Final = "orbit"
"""A name of the key's collection, whatever it is called."""


class ResponseTool(msgspec.Struct, frozen=True):
    """A function that the model may call, or ``file_search``: the search of the key's collection."""

    type: str = "function"
    name: str = ""
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    vector_store_ids: list[str] | None = None
    filters: dict[str, Any] | None = None
    max_num_results: int | None = None
    ranking_options: dict[str, Any] | None = None

    @property
    def searches(self) -> bool:
        """Whether it is the server's search."""
        return self.type == _SEARCH


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
    """Return the functions that the model may call, and its choice. Raises ParameterError."""
    tools = tuple([_tool(tool, f"tools[{number}]") for number, tool in enumerate(given or ()) if not tool.searches])
    searches = len(tools) < len(given or ())
    if searches and not tools and choice == "required":
        return tools, None
    return chosen_of(tools, _choice(choice, searches=searches)) if tools or choice is not None else (tools, None)


def search_of(given: Sequence[ResponseTool] | None) -> tuple[str, ResponseTool] | None:
    """Return the place of the tool that searches, and the tool; None if there is none. Raises ParameterError."""
    found = [(f"tools[{number}]", tool) for number, tool in enumerate(given or ()) if tool.searches]
    for where, tool in found:
        for name in ("max_num_results", "ranking_options"):
            if getattr(tool, name) is not None:
                detail = f"'{name}' is not supported: the server's settings decide which passages the model reads."
                raise ParameterError(f"{where}.{name}", detail, code="unsupported_value")
    if len(found) > 1:
        raise ParameterError(found[1][0], "There can only be one tool of the type 'file_search'.")
    return found[0] if found else None


def check_stores(search: tuple[str, ResponseTool], collection: str | None) -> None:
    """Raise ParameterError unless a search names no other collection than the key's."""
    where, tool = search
    for name in tool.vector_store_ids or ():
        if name not in (OWN_STORE, collection):
            known = f"'{OWN_STORE}'" + (f" or '{collection}'" if collection else "")
            detail = f"This key cannot search '{name[:100]}'; its own collection is {known}."
            raise ParameterError(f"{where}.vector_store_ids", detail)


def _tool(tool: ResponseTool, where: str) -> Tool:
    check_function(tool.type, where)
    found = Tool(tool.name, tool.description or "", tool.parameters or None, tool.strict)
    return check_tool(found, f"{where}.name", f"{where}.parameters")


def _choice(choice: str | ResponseToolChoice | None, *, searches: bool) -> str | ChosenTools | None:
    """Return a choice of tools in the form of chat completions. The search needs no choice."""
    if not isinstance(choice, ResponseToolChoice):
        return choice
    if choice.type == _SEARCH and searches:
        return None
    if choice.type == "allowed_tools":
        functions = [tool for tool in choice.tools if not (tool.type == _SEARCH and searches)]
        if choice.tools and not functions:
            return "none"
        allowed = [ChosenTool(tool.type, NamedFunction(tool.name)) for tool in functions]
        return ChosenTools("allowed_tools", allowed_tools=AllowedTools(choice.mode, allowed))
    return ChosenTools(choice.type, NamedFunction(choice.name or ""))
