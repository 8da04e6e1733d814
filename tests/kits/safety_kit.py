"""A host whose only model is a judge that is told what to answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from model_kit import ModelHost
from orbit_safety import SafetyProvider

from orbit import CallContext, Message, ProviderError, Verdict

Start = Callable[..., Awaitable[SafetyProvider]]

BUSY = ProviderError("busy", kind="overloaded", retryable=True)
BROKEN = ProviderError("broken")


class Judge(ModelHost):
    """The host. ``answers`` are given one after the other, then all but bombs pass; an exception is raised."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[str | Exception] = []
        self.verdict: Callable[[str], str] = lambda text: "SAFE: false" if "bomb" in text else "SAFE: true"
        self.delay = 0.0

    def reply(self, messages: Sequence[Message]) -> str | Exception:
        return self.answers.pop(0) if self.answers else self.verdict(text_in(messages))

    def pause(self, messages: Sequence[Message]) -> float:
        return self.delay

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
