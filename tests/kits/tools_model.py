"""A model that supports what its settings say, and answers with the chunks that a test gives it."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec

import orbit
from orbit import Capability, Chunk, GenerateOptions, Message, Model, ToolCall

EVERYTHING: tuple[Capability, ...] = ("tools", "images", "files", "reasoning", "json_schema", "logprobs", "continue")
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
"""A PNG image."""
WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a town.",
        "parameters": {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]},
    },
}
CALL = ToolCall("call_1", "weather", '{"town": "Bonn"}')
CALLED: dict[str, Any] = {
    "id": CALL.id,
    "type": "function",
    "function": {"name": CALL.name, "arguments": CALL.arguments},
}
ROUND: list[dict[str, Any]] = [
    {"role": "user", "content": "How is the weather in Bonn?"},
    {"role": "assistant", "content": None, "tool_calls": [CALLED]},
    {"role": "tool", "tool_call_id": CALL.id, "content": "Rain, 9 degrees."},
]
"""A question, the call that answers it, and its result."""


class ToolsModel(orbit.Provider):
    """Calls the first tool until it has a result, unless ``chunks`` says otherwise."""

    ORBIT_API = 2

    class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
        supports: tuple[Capability, ...] = EVERYTHING
        model: str = "script"

    settings: Settings

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.seen: list[tuple[Sequence[Message], GenerateOptions]] = []
        self.chunks: list[Chunk] = []

    @orbit.hookimpl
    async def models(self) -> list[Model]:
        return [Model(self.settings.model, 4096, frozenset(self.settings.supports))]

    @orbit.hookimpl
    async def generate(self, messages: Sequence[Message], options: GenerateOptions) -> AsyncIterator[Chunk]:
        self.seen.append((messages, options))
        for chunk in self.chunks:
            yield chunk
        if self.chunks:
            return
        forbidden = options.tool_choice is not None and options.tool_choice.mode == "none"
        if options.tools and not forbidden and messages[-1].role != "tool":
            yield Chunk(tool_calls=(CALL,))
            yield Chunk(finish_reason="tool_calls", usage=orbit.Usage(20, 10, 5, 2))
        else:
            yield Chunk(f"You said: {messages[-1].content}")
            yield Chunk(finish_reason="stop", usage=orbit.Usage(20, 10))
