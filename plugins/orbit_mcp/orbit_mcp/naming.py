"""The tools of an MCP server as ORBIT offers them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

import msgspec

from orbit import Tool
from orbit.sanitize import printable
from orbit_mcp.settings import ServerSettings

if TYPE_CHECKING:
    import mcp_types

_LONGEST: Final = 64
_DESCRIPTION: Final = 2_000
"""Characters of a description that models read."""
_SCHEMA: Final = 20_000
"""Bytes of a schema that models read; a tool with a larger one is left out."""


class Offered(msgspec.Struct, frozen=True):
    """A tool of a server. ``tool`` is None if it is not offered; ``reason`` says why."""

    name: str
    """The server's own name for it."""
    tool: Tool | None
    reason: str = ""
    mistake: bool = False
    """Whether the server has made a mistake, so that no setting leaves the tool out."""


def offered(server: str, settings: ServerSettings, tools: Iterable[mcp_types.Tool]) -> list[Offered]:
    """Return the tools of a server, each with the name that models call it by; of two with one name, the first."""
    found: list[Offered] = []
    owners: dict[str, str] = {}
    for tool in tools:
        item = _offered(server, settings, tool)
        if item.tool is not None and owners.setdefault(item.tool.name, item.name) is not item.name:
            other = printable(owners[item.tool.name])[:100]
            item = Offered(tool.name, None, f"has the name {item.tool.name} for models, as '{other}' has", mistake=True)
        found.append(item)
    return found


def _offered(server: str, settings: ServerSettings, tool: mcp_types.Tool) -> Offered:
    if settings.tools and not any(fnmatchcase(tool.name, pattern) for pattern in settings.tools):
        return Offered(tool.name, None, "is not in `tools`")
    if is_destructive(tool.annotations) and not any(fnmatchcase(tool.name, item) for item in settings.destructive):
        return Offered(tool.name, None, "is destructive; `destructive` allows it")
    schema = _schema(tool.input_schema)
    if len(msgspec.json.encode(schema)) > _SCHEMA:
        return Offered(tool.name, None, f"has a schema of more than {_SCHEMA} bytes", mistake=True)
    title = tool.title or (tool.annotations.title if tool.annotations else None) or tool.name
    description = (tool.description or title)[:_DESCRIPTION]
    return Offered(tool.name, Tool(exposed(server, tool.name), description, schema))


def exposed(server: str, tool: str) -> str:
    """Return the name of a tool for models: at most 64 letters, digits, ``_`` and ``-``."""
    name = f"{server}_{re.sub(r'[^A-Za-z0-9_-]', '_', tool)}"
    if len(name) <= _LONGEST:
        return name
    digest = hashlib.blake2b(tool.encode(), digest_size=4).hexdigest()
    return f"{name[: _LONGEST - len(digest) - 1]}_{digest}"


def is_destructive(annotations: mcp_types.ToolAnnotations | None) -> bool:
    """Return whether the server marks a tool as destructive: it may change something, and says nothing milder.

    Tools without marks are not: most servers mark none.
    """
    if annotations is None or annotations.read_only_hint:
        return False
    if annotations.destructive_hint is not None:
        return annotations.destructive_hint
    return annotations.read_only_hint is False


def _schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema of an object, as services of models insist on it."""
    return {**schema, "type": "object", "properties": schema.get("properties") or {}}
