"""Caches collection handles by name, and checks that each collection's vectors are comparable with new ones.

Everything here blocks, and runs inside ``Connection.call``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

import orbit
from orbit_chroma.settings import name_problem

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection

T = TypeVar("T")

METRIC: Final = "cosine"
"""The metric of the collections that ORBIT creates."""

_DROPPED: Final = "Missing metadata segment"
"""Chroma's word for a collection that someone drops while it is read."""

_EMBEDDING, _DIMENSION, _METRIC = "orbit_embedding", "orbit_dimension", "orbit_metric"
_ADOPTED = "orbit_adopted"


class Origin(msgspec.Struct, frozen=True):
    """The embedding model of a collection, from its metadata. Fields are empty if nothing is recorded."""

    embedding: str
    dimension: int | None
    metric: str
    adopted: bool = False
    """Whether another program created the collection, so that its records may lack ORBIT's metadata."""

    @property
    def own(self) -> bool:
        """Whether ORBIT created the collection."""
        return bool(self.embedding) and not self.adopted

    @classmethod
    def of(cls, collection: Collection) -> Origin:
        """Read a collection's metadata, and the metric that its index really uses."""
        metadata: Mapping[str, Any] = collection.metadata or {}
        dimension = metadata.get(_DIMENSION)
        index = collection.configuration_json.get("hnsw") or collection.configuration_json.get("spann") or {}
        return cls(
            embedding=str(metadata.get(_EMBEDDING, "")),
            dimension=dimension if isinstance(dimension, int) else None,
            metric=str(index.get("space", "l2")),
            adopted=bool(metadata.get(_ADOPTED)),
        )

    def problem(self, name: str, embedding: str, dimension: int | None = None) -> str:
        """Return why vectors of ``embedding`` are not comparable with the collection's; empty if they are."""
        way_out = f"Run: orbit collections re-embed {name}"
        adopt = f"If {embedding} made them, run: orbit collections adopt {name}"
        if not self.embedding:
            reason = f"Collection '{name}' does not record which model made its vectors, so {embedding} may not fit"
            return f"{reason}. {adopt}. Otherwise run: orbit collections re-embed {name}"
        if self.embedding != embedding or (dimension is not None and self.dimension != dimension):
            now = embedding or "no embedding provider"
            return (
                f"Collection '{name}' contains vectors of {self.embedding} ({self.dimension} dimensions), but "
                f"{now}{f' ({dimension} dimensions)' if dimension else ''} is in use. {way_out}, or restore the "
                "embedding provider (general.embedding_provider)."
            )
        if self.metric != METRIC and not self.adopted:
            return (
                f"Collection '{name}' uses the metric {self.metric} instead of {METRIC}. {adopt}. "
                f"Otherwise run: orbit collections re-embed {name}"
            )
        return ""


class Collections:
    """Handles of collections by name.

    Getting a handle takes a third of a query's time, so handles are cached. If a collection was dropped, and perhaps
    created again by another process, using its old handle fails, and a new one replaces it.
    """

    def __init__(self) -> None:
        self._kept: dict[str, tuple[ClientAPI, Collection, Origin]] = {}

    def origin(self, client: ClientAPI, name: str) -> Origin | None:
        """Return the origin of a collection's vectors; None if the collection does not exist."""
        from chromadb.errors import NotFoundError  # noqa: PLC0415 - importing a plugin stays light

        try:
            return self._get(client, name)[1]
        except NotFoundError:
            return None

    def use(
        self,
        client: ClientAPI,
        name: str,
        embedding: str,
        dimension: int | None,
        work: Callable[[Collection, Origin], T],
    ) -> T:
        """Check the collection and pass it to ``work``. Raises Chroma's NotFoundError if it does not exist."""
        from chromadb.errors import ChromaError, NotFoundError  # noqa: PLC0415 - importing a plugin stays light

        known = name in self._kept
        try:
            return work(*self._checked(client, name, embedding, dimension))
        except ChromaError as error:
            dropped = _DROPPED in str(error)
            if not (dropped or isinstance(error, NotFoundError)):
                raise
            self.forget(name)
            if not (known or dropped):
                raise
            return work(*self._checked(client, name, embedding, dimension))

    def make(self, client: ClientAPI, name: str, embedding: str, dimension: int, *, adopted: bool = False) -> None:
        """Create the collection unless it exists. ``adopted``: its records may lack ORBIT's metadata."""
        from chromadb.errors import ChromaError, NotFoundError  # noqa: PLC0415 - importing a plugin stays light

        if problem := name_problem(name):
            raise orbit.ProviderError(problem)
        try:
            client.get_collection(name, embedding_function=None)
        except NotFoundError:
            self.forget(name)
            try:
                client.create_collection(
                    name,
                    embedding_function=None,
                    configuration={"hnsw": {"space": METRIC}},
                    metadata={
                        _EMBEDDING: embedding,
                        _DIMENSION: dimension,
                        _METRIC: METRIC,
                        **({_ADOPTED: True} if adopted else {}),
                    },
                )
            except ChromaError:
                client.get_collection(name, embedding_function=None)  # another process created it in between

    def mark(self, client: ClientAPI, name: str, embedding: str, dimension: int) -> None:
        """Record the embedding model of a collection that another program created."""
        collection, origin = self._get(client, name)
        # Chroma refuses to set its own keys, such as hnsw:space, again, and keeps them where they matter.
        kept = {key: value for key, value in (collection.metadata or {}).items() if not key.startswith("hnsw:")}
        marks = {_EMBEDDING: embedding, _DIMENSION: dimension, _METRIC: origin.metric, _ADOPTED: True}
        collection.modify(metadata={**kept, **marks})
        self.forget(name)

    def forget(self, name: str) -> None:
        """Remove the handle from the cache."""
        self._kept.pop(name, None)

    def _get(self, client: ClientAPI, name: str) -> tuple[Collection, Origin]:
        kept = self._kept.get(name)
        if kept is None or kept[0] is not client:  # the database was opened again, so old handles are invalid
            if problem := name_problem(name):
                raise orbit.ProviderError(problem)
            collection = client.get_collection(name, embedding_function=None)
            kept = self._kept[name] = (client, collection, Origin.of(collection))
        return kept[1:]

    def _checked(
        self, client: ClientAPI, name: str, embedding: str, dimension: int | None
    ) -> tuple[Collection, Origin]:
        collection, origin = self._get(client, name)
        if problem := origin.problem(name, embedding, dimension):
            self.forget(name)  # another process may fix it: check again next time
            raise orbit.ProviderError(problem)
        return collection, origin
