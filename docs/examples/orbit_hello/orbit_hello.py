"""Greets the user: a whole plugin in one file."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated

import msgspec

import orbit


class HelloSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The keys of a section `hello:`."""

    greeting: Annotated[str, msgspec.Meta(description="Greeting at the start of an answer.")] = "Hello"


class Hello(orbit.Provider):
    """Greets the user and repeats the question."""

    Settings = HelloSettings
    settings: HelloSettings

    @orbit.hookimpl
    async def generate(self, messages: Sequence[orbit.Message]) -> AsyncIterator[orbit.Chunk]:
        """Answer in two pieces."""
        yield orbit.Chunk(f"{self.settings.greeting}! You asked: ")
        yield orbit.Chunk(messages[-1].content, finish_reason="stop")
