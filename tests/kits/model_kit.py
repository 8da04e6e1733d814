"""A host that can do nothing but generate, for providers that ask a model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from orbit import CallContext, Chunk, GenerateOptions, Message


class ModelHost:
    """Notes what it was asked, and how many requests ran at once. ``reply`` says what the model answers."""

    data_dir = Path("unused")
    embedding = ""

    def __init__(self) -> None:
        self.asked: list[Sequence[Message]] = []
        self.options: list[GenerateOptions] = []
        self.providers: list[str] = []
        self.running = 0
        self.most_running = 0

    def reply(self, messages: Sequence[Message]) -> str | Exception:
        """Return the answer to a request, or the error to raise."""
        raise NotImplementedError

    def pause(self, messages: Sequence[Message]) -> float:  # for those that depend on it
        """Return the seconds until the answer."""
        return 0.0

    async def embed(self, texts: Sequence[str], kind: str, context: CallContext) -> Any:
        raise NotImplementedError

    async def generate(
        self, messages: Sequence[Message], options: GenerateOptions, context: CallContext, provider: str = ""
    ) -> AsyncIterator[Chunk]:
        self.asked.append(messages)
        self.options.append(options)
        self.providers.append(provider)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await asyncio.sleep(self.pause(messages))
            answer = self.reply(messages)
            if isinstance(answer, Exception):
                raise answer
            for piece in answer:
                yield Chunk(piece)
            yield Chunk("", finish_reason="stop")
        finally:
            self.running -= 1
