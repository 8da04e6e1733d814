"""Tools and their calls, as most servers write them: in the form of OpenAI's API."""

from __future__ import annotations

import secrets
from typing import Any, Final

import msgspec

from orbit.types import Tool

_NO_ARGUMENTS: Final[dict[str, Any]] = {"type": "object", "properties": {}}


def function_of(tool: Tool) -> dict[str, Any]:
    """Return a tool's name, description and schema. One without arguments has an empty schema: some servers need it."""
    return {"name": tool.name, "description": tool.description, "parameters": tool.parameters or _NO_ARGUMENTS}


def new_call_id() -> str:
    """Return an id for a call to which the server gave none, or one that another call has."""
    return f"call_{secrets.token_hex(12)}"


def is_json(text: str) -> bool:
    """Return whether a text is a whole JSON document, as the arguments of a call are once all of them have arrived."""
    try:
        msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False
    return True
