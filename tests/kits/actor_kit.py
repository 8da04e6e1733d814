"""A provider that does what a test gives it to do, and turns to ask it with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Any

import orbit
from orbit.chat.turn import Turn


class Actor(orbit.Provider):
    """Calls what a test put into ``acts`` for a hook; notes what it was called with in ``calls``."""

    stages: tuple[str, ...] = ("input", "output")
    collection = ""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.acts: dict[str, Callable[..., Any]] = {}
        self.calls: list[tuple[Any, ...]] = []
        self.contexts: list[orbit.CallContext] = []
        self.roles: list[list[str]] = []

    def moderates(self, stage: str) -> bool:
        return stage in self.stages

    def default_collection(self) -> str:
        return self.collection

    @orbit.hookimpl
    async def moderate(self, stage: str, messages: Sequence[orbit.Message], context: orbit.CallContext) -> Any:
        self.contexts.append(context)
        self.calls.append((stage, [message.content for message in messages]))
        self.roles.append([message.role for message in messages])
        return (
            await self.acts["moderate"](messages[-1].content)
            if "moderate" in self.acts
            else orbit.Verdict(allowed=True)
        )

    @orbit.hookimpl
    async def retrieve(self, query: orbit.Query, limit: int, context: orbit.CallContext) -> Any:
        self.contexts.append(context)
        self.calls.append(("retrieve", query, limit))
        return await self.acts["retrieve"](query.text) if "retrieve" in self.acts else []

    @orbit.hookimpl
    async def rerank(
        self, query: orbit.Query, documents: Sequence[orbit.Document], limit: int, context: orbit.CallContext
    ) -> Any:
        self.contexts.append(context)
        self.calls.append(("rerank", query, [document.id for document in documents], limit))
        return await self.acts["rerank"](documents) if "rerank" in self.acts else documents

    @orbit.hookimpl
    async def count_tokens(self, messages: Sequence[orbit.Message]) -> Any:
        if "count_tokens" in self.acts:
            return await self.acts["count_tokens"](messages)
        return orbit.TokenCount(11, 1000)

    @orbit.hookimpl
    async def generate(
        self, messages: Sequence[orbit.Message], options: orbit.GenerateOptions, context: orbit.CallContext
    ) -> AsyncIterator[orbit.Chunk]:
        self.calls.append(("generate", messages, options, context))
        if "generate" in self.acts:
            async with aclosing(self.acts["generate"]()) as chunks:
                async for chunk in chunks:
                    yield chunk
        else:
            yield orbit.Chunk("An answer.", finish_reason="stop", usage=orbit.Usage(11, 2))

    @orbit.hookimpl
    async def log(self, record: orbit.ChatRecord) -> None:
        self.calls.append(("log", record))

    def made(self, hook: str) -> list[tuple[Any, ...]]:
        """What a hook was called with, call by call."""
        return [call[1:] for call in self.calls if call[0] == hook]


class Judge(Actor):
    """Judges and does nothing else."""

    def offers(self, hook: str) -> bool:
        return hook == "moderate"


class Finder(Actor):
    """Finds documents and does nothing else."""

    def offers(self, hook: str) -> bool:
        return hook == "retrieve"


class Sorter(Actor):
    """Sorts documents and does nothing else."""

    def offers(self, hook: str) -> bool:
        return hook == "rerank"


class Model(Actor):
    """Generates, counts tokens and keeps the log."""

    def offers(self, hook: str) -> bool:
        return hook in {"generate", "count_tokens", "log"}


PLUGINS: dict[str, type[orbit.Provider]] = {"judge": Judge, "finder": Finder, "sorter": Sorter, "model": Model}


def document(number: int | str, score: float | None = None) -> orbit.Document:
    return orbit.Document(str(number), f"passage {number}", source=f"{number}.md", score=score)


def turn(question: str = "When?", *, deadline: float | None = None, **fields: Any) -> Turn:
    context = {name: fields.pop(name) for name in ("collection", "session_id", "key_id") if name in fields}
    return Turn(question, orbit.CallContext("r", deadline=deadline, **context), **fields)


def returns(value: Any) -> Callable[..., Any]:
    async def act(*_: Any) -> Any:
        return value

    return act


def raises(error: BaseException) -> Callable[..., Any]:
    async def act(*_: Any) -> Any:
        raise error

    return act
