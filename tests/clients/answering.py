"""The provider behind all clients: what it answers follows from the request alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
from tools_model import EVERYTHING

import orbit
from orbit import Chunk, GenerateOptions, Image, Message, Model, ToolCall

_VALUES = {"string": "Bonn", "boolean": True, "integer": 9, "number": 9.5, "null": None}


class Answering(orbit.Provider):
    """Repeats the question, calls the first tool, fills in schemas, and says which images it saw."""

    ORBIT_API = 2

    def model(self, hook: str) -> str:
        """Return its name."""
        return "answering" if hook == "generate" else ""

    @orbit.hookimpl
    async def models(self) -> list[Model]:
        """Return the one model."""
        return [Model("answering", 4096, frozenset(EVERYTHING))]

    @orbit.hookimpl
    async def generate(self, messages: Sequence[Message], options: GenerateOptions) -> AsyncIterator[Chunk]:
        """Answer."""
        last = messages[-1]
        chosen = options.tool_choice
        tools = options.tools if chosen is None or chosen.mode != "none" else ()
        if tools and last.role != "tool":
            name = chosen.name if chosen is not None and chosen.name else tools[0].name
            tool = next(tool for tool in tools if tool.name == name)
            arguments = msgspec.json.encode(value_of(tool.parameters or {})).decode()
            yield Chunk(tool_calls=(ToolCall(f"call_{len(messages)}", tool.name, arguments),))
            yield Chunk(finish_reason="tool_calls", usage=orbit.Usage(20, 10))
            return
        for piece in self._text(last, options):
            yield Chunk(piece)
        yield Chunk(finish_reason="stop", usage=orbit.Usage(20, 10))

    def _text(self, last: Message, options: GenerateOptions) -> list[str]:
        images = [part.media_type for part in last.parts if isinstance(part, Image)]
        if options.json_schema is not None:
            return [msgspec.json.encode(value_of(options.json_schema)).decode()]
        if images:
            return ["I see ", *images]
        question = last.content.strip().splitlines()[-1].rpartition(": ")[2]  # behind the host's own words
        return [f"{'It is' if last.role == 'tool' else 'You said'}: ", question]


def value_of(schema: dict[str, Any], root: dict[str, Any] | None = None) -> Any:
    """Return a value that a simple JSON schema allows."""
    root = root or schema
    if "$ref" in schema:
        return value_of(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "array":
        return [value_of(schema.get("items", {}), root)]
    if "properties" in schema:
        return {name: value_of(each, root) for name, each in schema["properties"].items()}
    if schema.get("type") == "object":
        return {"town": "Bonn", "rain": True}
    return _VALUES.get(str(schema.get("type", "string")))
