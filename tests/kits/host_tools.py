"""A model that plays its lines round by round, and a provider of tools that does what a test gives it to do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import msgspec

import orbit
from orbit import Capability, Chunk, GenerateOptions, Message, Model, Tool, ToolCall, ToolResult

TOWN = {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]}
TOOLS = (Tool("weather", "The weather of a town.", TOWN), Tool("clock", "The time."))


def calls(*names: str, text: str = "", arguments: str = '{"town": "Bonn"}') -> list[Chunk]:
    """An answer that calls tools; each call has its name and place as its id."""
    made = tuple(ToolCall(f"{name}-{place}", name, arguments) for place, name in enumerate(names))
    return [
        *([Chunk(text)] if text else []),
        Chunk(tool_calls=made),
        Chunk(finish_reason="tool_calls", usage=orbit.Usage(20, 10)),
    ]


def says(text: str) -> list[Chunk]:
    """An answer of text."""
    return [Chunk(text), Chunk(finish_reason="stop", usage=orbit.Usage(30, 5))]


class Talker(orbit.Provider):
    """Answers with the next of its ``lines``; without any, repeats what the last tool returned."""

    ORBIT_API = 2

    class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
        supports: tuple[Capability, ...] = ("tools",)
        model: str = "talker"
        window: int = 0
        fails: bool = False

    settings: Settings

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.seen: list[tuple[Sequence[Message], GenerateOptions]] = []
        self.lines: list[list[Chunk] | Exception] = []

    def offers(self, hook: str) -> bool:
        return hook != "count_tokens" or self.settings.window > 0

    @orbit.hookimpl
    async def models(self) -> list[Model]:
        return [Model(self.settings.model, 4096, frozenset(self.settings.supports))]

    @orbit.hookimpl
    async def count_tokens(self, messages: Sequence[Message], options: GenerateOptions) -> orbit.TokenCount:
        size = sum(len(message.content) for message in messages) + 100 * len(options.tools)
        return orbit.TokenCount(size, self.settings.window)

    @orbit.hookimpl
    async def generate(self, messages: Sequence[Message], options: GenerateOptions) -> AsyncIterator[Chunk]:
        self.seen.append((messages, options))
        if self.settings.fails:
            raise orbit.ProviderError("it is down.", kind="unavailable", retryable=True)
        line = self.lines.pop(0) if self.lines else says(f"It says: {messages[-1].content}")
        if isinstance(line, Exception):
            raise line
        for chunk in line:
            yield chunk


class Bench(orbit.Provider):
    """Has ``tools``, and does for each what ``acts`` says."""

    ORBIT_API = 2

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.offered: Any = TOOLS
        self.acts: dict[str, Callable[[ToolCall], Awaitable[Any]]] = {}
        self.listed = 0
        """How often it was asked for its tools."""
        self.called: list[ToolCall] = []
        self.contexts: list[orbit.CallContext] = []

    @orbit.hookimpl
    async def tools(self, context: orbit.CallContext) -> Any:
        self.listed += 1
        if isinstance(self.offered, Exception):
            raise self.offered
        return self.offered

    @orbit.hookimpl
    async def call_tool(self, call: ToolCall, context: orbit.CallContext) -> Any:
        self.called.append(call)
        self.contexts.append(context)
        act = self.acts.get(call.name)
        return await act(call) if act else ToolResult(f"{call.name}: rain")


PLUGINS: dict[str, type[orbit.Provider]] = {"talker": Talker, "bench": Bench}
