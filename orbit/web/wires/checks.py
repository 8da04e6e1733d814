"""What every protocol checks in a request."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

import msgspec

from orbit.chat.tools.calls import is_object
from orbit.config.model import Limits
from orbit.filters import FilterError, parse_filter
from orbit.types import Filter, Tool
from orbit.web.http.problems import RequestError

_MOST_TOOLS: Final = 256
_TOOL_NAME: Final = re.compile(r"[\w.:/-]{1,128}")
_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


class ParameterError(RequestError):
    """A parameter of the request is wrong or not supported. ``param`` is its name."""

    def __init__(self, param: str, detail: str, code: str = "invalid_value", status: int = 400) -> None:
        super().__init__(status, code, detail, param=param)


def check_parameters(
    body: bytes,
    known: AbstractSet[str],
    passed: AbstractSet[str],
    *,
    beside: AbstractSet[str],
    neutral: Mapping[str, tuple[Any, ...]],
) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Raise ParameterError for a parameter that would change the answer. Returns the unknown ones, sorted.

    ``known`` are the supported ones; those ``beside`` them do not change the answer. The ``neutral`` ones would, unless
    they are null or one of these values. Those in ``passed`` go to the provider as they are, and are returned as well.
    Like vLLM, ORBIT lets unknown parameters pass, and lists them beside the answer.
    """
    fields = _fields.decode(body)
    others = fields.keys() - known
    if not others:
        return (), {}
    unknown = []
    extra = {name: _value(name, fields[name]) for name in others & passed}
    for name in others - beside - passed:
        if name not in neutral:
            unknown.append(name)
        elif not _is_neutral(_value(name, fields[name]), neutral[name]):
            raise ParameterError(name, f"'{name}' is not supported with this value.", code="unsupported_value")
    return tuple(sorted(unknown)), extra


def _value(name: str, raw: msgspec.Raw) -> Any:
    """Return the value of a parameter. Raises ParameterError for what only shows now, such as 1e999."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ParameterError(name, f"'{name}' cannot be read: {error}.") from error


def _is_neutral(value: Any, neutral: tuple[Any, ...]) -> bool:
    return value is None or any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in neutral)


def check_size(body: int, attached: int, limits: Limits, param: str = "messages") -> None:
    """Raise RequestError if the attachments of a body, or all the rest of it, are too large. Sizes are in bytes.

    ``param`` has the attachments.
    """
    if attached > limits.max_attached_bytes:
        detail = f"The images and files take {attached} bytes; at most {limits.max_attached_bytes} are allowed."
        raise ParameterError(param, detail)
    if body - attached > limits.max_body_bytes:
        raise RequestError(413, "body_too_large", f"The body is larger than {limits.max_body_bytes} bytes.")


def filter_of(given: dict[str, Any] | None, name: str = "filter") -> Filter | None:
    """Return the filter of a request; ``name`` is the field that has it. Raises ParameterError."""
    if given is None:
        return None
    try:
        return parse_filter(given, name)
    except FilterError as error:
        raise ParameterError(error.field, str(error), code="invalid_filter") from error


def check_tool(tool: Tool, name: str, schema: str) -> Tool:
    """Return a tool with a usable name and schema. Raises ParameterError at the place of ``name`` or ``schema``."""
    if not _TOOL_NAME.fullmatch(tool.name):
        raise ParameterError(name, "The name of a tool must have 1 to 128 letters, digits, underscores and dashes.")
    if tool.parameters and tool.parameters.get("type", "object") != "object":
        raise ParameterError(schema, "The arguments of a tool must have a JSON schema of the type 'object'.")
    return tool


def check_arguments(arguments: str, where: str) -> str:
    """Return the arguments of a tool call; ParameterError if they are no JSON object. None at all are an empty one."""
    arguments = arguments.strip() or "{}"
    if not is_object(arguments):
        raise ParameterError(where, "The arguments of a tool call must be a JSON object.")
    return arguments


def check_tools(tools: Sequence[Tool]) -> None:
    """Raise ParameterError if there are too many tools, or two with one name."""
    if len(tools) > _MOST_TOOLS:
        raise ParameterError("tools", f"There are {len(tools)} tools; at most {_MOST_TOOLS} are allowed.")
    names = [tool.name for tool in tools]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ParameterError("tools", f"Two tools have the name '{twice}'.")


def check_chosen(name: str, tools: Sequence[Tool]) -> None:
    """Raise ParameterError if the chosen tool is none of the request's."""
    names = [tool.name for tool in tools]
    if name not in names:
        known = ", ".join(names) or "there are none"
        raise ParameterError("tool_choice", f"'tool_choice' names '{name[:128]}', which is not in 'tools': {known}.")
