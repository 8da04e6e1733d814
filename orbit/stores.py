"""What stores have in common.

``VectorStore`` is the base of those that search by vectors: their settings, start and health, and which passages are
good enough.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Annotated, Final, Generic, Protocol, Self, TypeVar

import msgspec
from msgspec import Meta

from orbit.errors import ConfigError, Problem, ProviderError
from orbit.hookspecs import hookimpl
from orbit.provider import Host, Provider
from orbit.types import CallContext, Document, Health, Need, Query

logger = logging.getLogger("orbit.stores")

__all__ = ["PREVIOUS", "NoCollection", "VectorStore", "VectorStoreSettings", "refuse_equal_ids"]

PREVIOUS: Final = ".previous"
"""Ends the name that ORBIT gives a collection when one with vectors of another model takes its place."""
_RELEVANT, _CONFIDENT = 0.25, 0.3
"""The thresholds of searches whose scores the host does not compare."""

_Similarity = Annotated[float, Meta(ge=0, le=1)]


class VectorStoreSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The settings of every vector store. Derive a store's ``Settings`` from it."""

    collection: Annotated[
        str, Meta(description="Collection for API keys without one; empty: they search nothing here.")
    ] = ""
    relevance_threshold: Annotated[
        _Similarity | None,
        Meta(
            description="Drop passages that are less similar to the question (cosine, 0..1); null: 0.25, or none where "
            "ORBIT knows the embedding model's scale and has a threshold of its own."
        ),
    ] = None
    confidence_threshold: Annotated[
        _Similarity | None,
        Meta(
            description="Return nothing if even the best passage is less similar; null: 0.3, or none where ORBIT knows "
            "the embedding model's scale and has a threshold of its own."
        ),
    ] = None


class NoCollection(ProviderError):
    """A collection does not exist."""

    def __init__(self, name: str) -> None:
        sentence = (
            f"The collection '{name}' does not exist. Ingest documents into it: orbit ingest PATH --collection {name}"
        )
        super().__init__(sentence, kind="not_found")


class Database(Protocol):
    """What a store keeps open between start and stop."""

    async def check(self) -> None:
        """Raise ProviderError if the database does not respond."""
        ...

    async def close(self) -> None:
        """Wait for running calls and close the database."""
        ...


D = TypeVar("D", bound=Database)


class VectorStore(Provider, Generic[D]):
    """A store that finds passages by vectors of the host's embedding models.

    A subclass says in ``open`` what its database is, in ``find`` how to search a collection, and in ``problem`` whether
    a collection's vectors are comparable with new ones. The hooks that write are its own.
    """

    settings: VectorStoreSettings

    def __init__(self, name: str, settings: msgspec.Struct, host: Host) -> None:
        super().__init__(name, settings, host)
        self._database: D | None = None
        self._replaced: set[str] = set()

    def open(self) -> D:
        """Return the database. It connects at first use, and again after a failure."""
        raise NotImplementedError

    async def find(self, collection: str, query: Query, limit: int, context: CallContext) -> Sequence[Document]:
        """Return the nearest passages of a collection, best first.

        Raises NoCollection, or ProviderError if the vectors are not comparable or the database fails.
        """
        raise NotImplementedError

    async def problem(self, collection: str) -> str | None:
        """Return why the vectors of a collection are not comparable with new ones.

        Empty if they are, None if the collection does not exist.
        """
        raise NotImplementedError

    @property
    def database(self) -> D:
        """The database. Raises ProviderError before the start and after the stop."""
        if self._database is None:
            raise ProviderError("the database is not open", kind="unavailable")
        return self._database

    def chosen(self, embedding: str) -> str:
        """Return the model of a collection's vectors if it is enabled, else the one in use."""
        return embedding if embedding and self.host.embeds(embedding) else self.host.embedding

    async def __aenter__(self) -> Self:
        """Open the database. If its server is unreachable, each use tries again."""
        self._database = self.open()
        try:
            await self._database.check()
        except ProviderError as error:
            if not error.retryable:
                await self._database.close()
                raise
            logger.warning("%s starts without its database: %s", self.name, error.message)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Finish running calls and close the database."""
        database, self._database = self._database, None
        if database is not None:
            await database.close()

    async def ready(self) -> None:
        """Reject a default collection whose vectors are not comparable with the embedding provider's."""
        if not self.host.embedding:
            raise ConfigError(
                f"{self.name} needs a provider that embeds, but none is enabled; enable one, for example with a "
                "section 'onnx:'."
            )
        name = self.settings.collection
        if not name:
            return
        try:
            problem = await self.problem(name)
            if not problem or await self.problem(name + PREVIOUS) == "":
                return  # a newer model may have replaced it, and this server still has the earlier one
        except ProviderError as error:
            if error.retryable:  # already logged on opening; each use checks the collection anyway
                return
            raise
        raise ConfigError([Problem(f"{self.name}.collection", problem)])

    async def health(self) -> Health:
        """Check that the database responds."""
        try:
            await self.database.check()
        except ProviderError as error:
            return Health("down", error.message)
        return Health()

    def needs(self) -> Iterable[Need]:
        """Return ``embed``, for questions and passages."""
        return (Need("embed"),)

    def filters(self) -> bool:
        """Return True: ``find`` keeps to filters and readers."""
        return True

    def default_collection(self) -> str:
        """Return the collection for keys without one."""
        return self.settings.collection

    @hookimpl
    async def retrieve(self, query: Query, limit: int, context: CallContext) -> Sequence[Document]:
        """Search the key's collection, or the default one, for the passages nearest to the question."""
        name = query.collection or self.settings.collection
        if not name:
            return []
        try:
            found = await self.find(name, query, limit, context)
        except ProviderError as error:
            if error.retryable:
                raise
            try:  # the vectors of an earlier model, if only that is enabled here
                found = await self.find(name + PREVIOUS, query, limit, context)
            except ProviderError:
                raise error from None
            if name not in self._replaced:
                self._replaced.add(name)
                logger.warning(
                    "%s answers from %s%s, because %s has vectors of a model that is not enabled here. Enable it",
                    *(self.name, name, PREVIOUS, name),
                )
        return self._good_enough(found, compared=query.compared)[:limit]

    def _good_enough(self, documents: Sequence[Document], *, compared: bool) -> list[Document]:
        """Return the passages that pass the thresholds, or none if even the best is doubtful.

        If the host compares the scores (``Query.compared``), only configured thresholds hold.
        """
        relevant, confident = (
            value if value is not None else 0.0 if compared else default
            for value, default in (
                (self.settings.relevance_threshold, _RELEVANT),
                (self.settings.confidence_threshold, _CONFIDENT),
            )
        )
        if not documents or (documents[0].score or 0.0) < confident:
            return []
        return [document for document in documents if (document.score or 0.0) >= relevant]


def refuse_equal_ids(documents: Sequence[Document]) -> None:
    """Raise ProviderError if two documents have the same id."""
    counts = Counter(document.id for document in documents)
    if len(counts) != len(documents):
        twice = next(one for one, count in counts.items() if count > 1)
        raise ProviderError(f"two documents have the id '{twice}'")
