"""What every protocol checks in a request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from orbit.config.model import Limits
from orbit.types import Tool
from orbit.web.http.problems import RequestError

_MOST_TOOLS: Final = 256


class ParameterError(RequestError):
    """A parameter of the request is wrong or not supported. ``param`` is its name."""

    def __init__(self, param: str, detail: str, code: str = "invalid_value") -> None:
        self.param = param
        super().__init__(400, code, detail)


def check_size(body: int, attached: int, limits: Limits) -> None:
    """Raise RequestError if the attachments of a body, or all the rest of it, are too large. Sizes are in bytes."""
    if attached > limits.max_attached_bytes:
        detail = f"The images and files take {attached} bytes; at most {limits.max_attached_bytes} are allowed."
        raise ParameterError("messages", detail)
    if body - attached > limits.max_body_bytes:
        raise RequestError(413, "body_too_large", f"The body is larger than {limits.max_body_bytes} bytes.")


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
