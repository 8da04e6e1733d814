"""Fake providers for tests: real plugins without a model behind them."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from orbit import (
    CallContext,
    ChatRecord,
    Chunk,
    Collection,
    Document,
    GenerateOptions,
    Message,
    Model,
    Provider,
    ProviderError,
    Query,
    TokenCount,
    ToolCall,
    Usage,
    Verdict,
    hookimpl,
)
from orbit.builtin.echo import Echo
from orbit.filters import allowed

if TYPE_CHECKING:
    from orbit.types import Vectors


class Script(Provider):
    """Generates answers as its settings say: slowly, endlessly, or with an error after some words.

    ``running`` counts the answers in progress, ``closed`` the answers closed early. ``seen`` has the messages, options
    and contexts of all calls.
    """

    class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
        """The length, the pace and the error of an answer."""

        words: Annotated[int, Meta(ge=-1, description="Words to say; -1 for no end.")] = 3
        first_delay: Annotated[float, Meta(ge=0, description="Seconds before the first word.")] = 0.0
        delay: Annotated[float, Meta(ge=0, description="Seconds before each later word.")] = 0.0
        fail_after: Annotated[int, Meta(ge=-1, description="Words before an error; -1 for none.")] = -1
        kind: Annotated[
            Literal["failed", "unavailable", "overloaded", "not_found", "timeout", "rejected"],
            Meta(description="Kind of error."),
        ] = "failed"
        window: Annotated[int, Meta(ge=1, description="Context window; a token is a word.")] = 4096
        model: Annotated[str, Meta(description="Name of the model.")] = "script"

    settings: Settings

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]  # passed on as they are
        self.running = 0
        self.closed = 0
        self.seen: list[tuple[Sequence[Message], GenerateOptions, CallContext]] = []

    @hookimpl
    async def count_tokens(self, messages: Sequence[Message]) -> TokenCount:
        """Count each word as one token."""
        return TokenCount(sum(len(message.content.split()) for message in messages), self.settings.window)

    @hookimpl
    async def generate(
        self, messages: Sequence[Message], options: GenerateOptions, context: CallContext
    ) -> AsyncIterator[Chunk]:
        """Say ``word0 word1 ...``."""
        settings = self.settings
        self.seen.append((messages, options, context))
        self.running += 1
        said = 0
        try:
            await asyncio.sleep(settings.first_delay)
            while said not in (settings.words, options.max_tokens):
                if said == settings.fail_after:
                    raise ProviderError("the script says so.", kind=settings.kind)
                if any(stop in f"word{said} " for stop in options.stop):
                    break
                yield Chunk(f"word{said} ")
                said += 1
                await asyncio.sleep(settings.delay)
            cut = said == options.max_tokens and said != settings.words
            yield Chunk(finish_reason="length" if cut else "stop", usage=Usage(len(messages), said))
        except (asyncio.CancelledError, GeneratorExit):
            self.closed += 1
            raise
        finally:
            self.running -= 1


class Caller(Provider):
    """A model that calls tools as its settings say, all at once, and then repeats what they returned.

    It calls only those that it is offered. ``read`` has the results of its last turn.
    """

    ORBIT_API = 2

    class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
        """What the model calls."""

        calls: Annotated[dict[str, dict[str, Any]], Meta(description="The arguments of each call, by the tool.")] = {}

    settings: Settings

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]  # passed on as they are
        self.read: list[str] = []

    @hookimpl
    async def models(self) -> list[Model]:
        """Return the only model, which supports tools."""
        return [Model("caller", 4096, frozenset({"tools"}))]

    @hookimpl
    async def generate(self, messages: Sequence[Message], options: GenerateOptions) -> AsyncIterator[Chunk]:
        """Call the tools, or repeat their results."""
        offered = {tool.name for tool in options.tools}
        calls = [
            ToolCall(f"call_{number}", name, msgspec.json.encode(arguments).decode())
            for number, (name, arguments) in enumerate(self.settings.calls.items())
            if name in offered
        ]
        self.read = [message.content for message in messages if message.role == "tool"]
        if calls and not self.read:
            yield Chunk(tool_calls=tuple(calls), finish_reason="tool_calls")
            return
        text = "\n".join(self.read) or "There is no tool to call."
        for stop in options.stop:
            text = text.partition(stop)[0]
        words = text.split(" ")
        most = options.max_tokens or len(words)
        yield Chunk(" ".join(words[:most]), "length" if len(words) > most else "stop")


class Shelf(Provider):
    """Returns the same documents for every question, after a delay."""

    class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
        """The documents, and how retrieval behaves."""

        texts: Annotated[tuple[str, ...], Meta(description="Texts of the documents, best first.")] = ("the passage",)
        delay: Annotated[float, Meta(ge=0, description="Seconds before the answer.")] = 0.0
        fail: Annotated[bool, Meta(description="Fail instead.")] = False

    settings: Settings

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]  # passed on as they are
        self.running = 0

    @hookimpl
    async def retrieve(self, query: Query, limit: int) -> list[Document]:
        """Return the same texts for every question."""
        self.running += 1
        try:
            await asyncio.sleep(self.settings.delay)
        finally:
            self.running -= 1
        if self.settings.fail:
            raise ProviderError(f"nothing to be had for {query.text!r}.", kind="unavailable", retryable=True)
        found = [
            Document(f"{self.name}-{number}", text, source=f"{self.name}.md", score=1 - number / 10)
            for number, text in enumerate(self.settings.texts)
        ]
        return found[:limit]


class Cabinet(Provider):
    """An in-memory store. Ranks documents by the number of words they share with the question."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]  # passed on as they are
        self.drawers: dict[str, dict[str, list[Document]]] = {}
        """Documents by collection and source."""

    def filters(self) -> bool:
        """Return True."""
        return True

    @hookimpl
    async def index(self, collection: str, documents: Sequence[Document]) -> int:
        """Store the documents. They replace earlier documents of the same sources."""
        drawer = self.drawers.setdefault(collection, {})
        for source in {document.source for document in documents}:
            drawer[source] = [document for document in documents if document.source == source]
        return len(documents)

    @hookimpl
    async def drop(self, collection: str) -> bool:
        """Delete a collection."""
        return self.drawers.pop(collection, None) is not None

    @hookimpl
    async def forget(self, collection: str, sources: Sequence[str]) -> int:
        """Delete sources, and return how many existed."""
        drawer = self.drawers.get(collection, {})
        return sum(drawer.pop(source, None) is not None for source in sources)

    @hookimpl
    async def copy(self, collection: str, target: str) -> int:
        """Copy a collection, and return how many documents it has."""
        if collection not in self.drawers:
            return 0
        self.drawers[target] = dict(self.drawers[collection])
        return sum(map(len, self.drawers[target].values()))

    @hookimpl
    async def rename(self, collection: str, new_name: str) -> bool:
        """Rename a collection, and return whether it existed."""
        if collection not in self.drawers:
            return False
        if new_name in self.drawers:
            raise ProviderError(f"the collection '{new_name}' exists.", kind="rejected")
        self.drawers[new_name] = self.drawers.pop(collection)
        return True

    @hookimpl
    async def list_sources(self, collection: str) -> dict[str, str]:
        """Return the digest of each source in a collection."""
        return {source: documents[0].digest for source, documents in self.drawers.get(collection, {}).items()}

    @hookimpl
    async def list_passages(self, collection: str, sources: Sequence[str]) -> list[Document]:
        """Return the documents of some sources."""
        drawer = self.drawers.get(collection, {})
        return [document for source in sources for document in drawer.get(source, ())]

    @hookimpl
    async def list_collections(self) -> list[Collection]:
        """Return all collections with their number of documents."""
        return [Collection(name, sum(map(len, drawer.values()))) for name, drawer in sorted(self.drawers.items())]

    @hookimpl
    async def retrieve(self, query: Query, limit: int) -> list[Document]:
        """Return the documents that share the most words with the question."""
        words = set(query.text.lower().split())
        stored = [document for kept in self.drawers.get(query.collection or "", {}).values() for document in kept]
        scored = [
            (len(words & set(document.text.lower().split())) / len(words or {""}), document)
            for document in stored
            if allowed(document, query)
        ]
        best = sorted((pair for pair in scored if pair[0]), key=lambda pair: pair[0], reverse=True)
        return [msgspec.structs.replace(document, score=score) for score, document in best[:limit]]


class Bag(Provider):
    """Embeds a text as a bag of words: texts that share words have similar vectors."""

    class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
        """The dimension of the vectors, and the name of the model."""

        dimension: Annotated[int, Meta(ge=2, description="Numbers in a vector.")] = 64
        model: Annotated[str, Meta(description="Name of the model.")] = "words"

    settings: Settings

    @hookimpl
    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Count the words of each text, at the index that the word's hash gives, and normalise the vector."""
        import numpy as np  # noqa: PLC0415  # only tests that embed need it

        vectors = np.zeros((len(texts), self.settings.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split() or [""]:
                vectors[row, zlib.crc32(word.encode()) % self.settings.dimension] += 1
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors


class Guard(Provider):
    """Refuses messages that contain a forbidden word."""

    class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
        """The forbidden word, the stages, and how the guard behaves."""

        word: Annotated[str, Meta(description="The forbidden word.")] = "forbidden"
        stages: Annotated[tuple[str, ...], Meta(description="Stages that are judged.")] = ("input",)
        delay: Annotated[float, Meta(ge=0, description="Seconds before the verdict.")] = 0.0
        fail: Annotated[bool, Meta(description="Fail instead.")] = False

    settings: Settings

    def moderates(self, stage: str) -> bool:
        """Return whether the settings include the stage."""
        return stage in self.settings.stages

    @hookimpl
    async def moderate(self, messages: Sequence[Message]) -> Verdict:
        """Refuse the last message if it contains the word."""
        await asyncio.sleep(self.settings.delay)
        if self.settings.fail:
            raise ProviderError("the guard is asleep.", kind="timeout")
        allowed = self.settings.word not in messages[-1].content
        return Verdict(allowed, "" if allowed else f"says {self.settings.word!r}")


class Backwards(Provider):
    """Reranks by reversing the order."""

    class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
        """How the reranker behaves."""

        fail: Annotated[bool, Meta(description="Fail instead.")] = False

    settings: Settings

    @hookimpl
    async def rerank(self, documents: Sequence[Document], limit: int) -> list[Document]:
        """Return the documents in reverse order."""
        if self.settings.fail:
            raise ProviderError("it cannot tell.")
        return list(reversed(documents))[:limit]


class Diary(Provider):
    """Keeps the records of all turns in ``records``."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]  # passed on as they are
        self.records: list[ChatRecord] = []

    @hookimpl
    async def log(self, record: ChatRecord) -> None:
        """Store a record."""
        self.records.append(record)


class Clock:
    """A clock that moves only when a test advances it, for code that takes a ``clock`` function.

    ``clock()`` returns the time in Unix seconds.
    """

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return the time in Unix seconds."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        self.now += seconds


FAKES: dict[str, type[Provider]] = {
    "echo": Echo,
    "script": Script,
    "caller": Caller,
    "shelf": Shelf,
    "bag": Bag,
    "cabinet": Cabinet,
    "guard": Guard,
    "backwards": Backwards,
    "diary": Diary,
}
"""The fakes by the plugin names under which ``orbit.testing`` offers them."""
