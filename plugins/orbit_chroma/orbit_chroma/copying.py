"""Copies a collection record by record, with its vectors or with new ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from orbit_chroma.adoption import normalized
from orbit_chroma.collections import Origin

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection

    from orbit import Vectors

READ_SIZE: Final = 5_000
"""Records per read when scanning a whole collection."""


class Plan(msgspec.Struct, frozen=True):
    """What is left to copy: ids of records to add and to delete. ``total`` counts the records of the original."""

    origin: Origin
    total: int
    missing: Sequence[str]
    surplus: Sequence[str]


class Records(msgspec.Struct, frozen=True):
    """Some records; ``vectors`` is None if they are not wanted."""

    ids: list[str]
    texts: list[str]
    metadatas: list[Any]
    vectors: Any


def plan(client: ClientAPI, name: str, target: str) -> Plan:
    """Compare a collection with its copy. Raises Chroma's NotFoundError if the collection does not exist."""
    from chromadb.errors import NotFoundError  # noqa: PLC0415 - importing a plugin stays light

    original = client.get_collection(name, embedding_function=None)
    wanted = _ids(original)
    try:
        held = _ids(client.get_collection(target, embedding_function=None))
    except NotFoundError:
        held = {}
    origin = Origin.of(original)
    missing = [record for record in wanted if record not in held]
    return Plan(origin, len(wanted), missing, [record for record in held if record not in wanted])


def read(client: ClientAPI, name: str, ids: Sequence[str], *, vectors: bool) -> Records:
    """Read records by their ids; one that was deleted meanwhile is left out."""
    collection = client.get_collection(name, embedding_function=None)
    include: Any = ["documents", "metadatas", *(["embeddings"] if vectors else [])]
    found: Any = collection.get(ids=list(ids), include=include)
    return Records(
        found["ids"],
        [text or "" for text in found["documents"]],
        [metadata or None for metadata in found["metadatas"]],
        found["embeddings"] if vectors else None,
    )


def write(records: Records, vectors: Vectors, part: slice, collection: Collection, _: Origin) -> None:
    """Write a part of some records."""
    collection.upsert(
        ids=records.ids[part],
        embeddings=vectors[part],
        documents=records.texts[part],
        metadatas=records.metadatas[part],
    )


def unit(vectors: Any) -> Vectors:
    """Return stored vectors as float32 of length 1, which every metric compares alike."""
    import numpy as np  # noqa: PLC0415 - importing a plugin stays light

    return normalized(np.asarray(vectors, dtype=np.float32))


def _ids(collection: Collection) -> dict[str, None]:
    """Return the ids of a collection, in order."""
    ids: dict[str, None] = {}
    offset = 0
    while page := collection.get(include=[], limit=READ_SIZE, offset=offset)["ids"]:
        ids.update(dict.fromkeys(page))
        offset += len(page)
    return ids
