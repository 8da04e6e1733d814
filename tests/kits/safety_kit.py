"""A host whose only model is a judge that is told what to answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from orbit_safety import SafetyProvider

from orbit import CallContext, Chunk, GenerateOptions, Message, ProviderError, Verdict

Start = Callable[..., Awaitable[SafetyProvider]]

BUSY = ProviderError("busy", kind="overloaded", retryable=True)
BROKEN = ProviderError("broken")


class Judge:
    """The host. ``answers`` are given one after the other, then ``SAFE: true``; an exception is raised."""

    data_dir = Path("unused")
    embedding = ""

    def __init__(self) -> None:
        self.answers: list[str | Exception] = []
        self.verdict: Callable[[str], str] = lambda text: "SAFE: true"
        self.delay = 0.0
        self.asked: list[Sequence[Message]] = []
        self.options: list[GenerateOptions] = []
        self.providers: list[str] = []
        self.running = 0
        self.most_running = 0

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
            await asyncio.sleep(self.delay)
            answer = self.answers.pop(0) if self.answers else self.verdict(text_in(messages))
            if isinstance(answer, Exception):
                raise answer
            for piece in answer:
                yield Chunk(piece)
            yield Chunk("", "stop")
        finally:
            self.running -= 1

    def shown(self, index: int) -> str:
        """Return the text that one request asked about."""
        return text_in(self.asked[index])


def text_in(messages: Sequence[Message]) -> str:
    """Return the text that a judge is shown, without what surrounds it."""
    lines = messages[-1].content.split("\n")
    marks = [number for number, line in enumerate(lines) if line.startswith("=== ")]
    return "\n".join(lines[marks[0] + 1 : marks[-1]])


def ask(provider: SafetyProvider, text: str, stage: Any = "input", deadline: float | None = None) -> Awaitable[Verdict]:
    """Let the provider decide on a text."""
    role = "user" if stage == "input" else "assistant"
    return provider.moderate(stage, [Message(role, text)], CallContext("test", deadline=deadline))  # type: ignore[arg-type]  # one of two roles
