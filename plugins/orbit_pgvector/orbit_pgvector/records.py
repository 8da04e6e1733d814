"""Converts documents to rows and back. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

import orbit

if TYPE_CHECKING:
    import asyncpg

    from orbit import Vectors

COLUMNS = ("source", "place", "id", "title", "link", "text", "metadata", "vector")


READERS = "orbit_readers"
"""The key, beside those of the metadata, of the groups that may read a passage. No metadata has it."""


def storable(text: str) -> str:
    """Return a text without the one character that PostgreSQL cannot store."""
    return text.replace("\0", "\ufffd")


def to_rows(documents: Sequence[orbit.Document], places: Mapping[str, int], vectors: Vectors) -> list[tuple[Any, ...]]:
    """Return a row of ``COLUMNS`` for each document. ``places`` is the place of each, by its id, within its source."""
    return [
        (
            storable(document.source),
            places[document.id],
            storable(document.id),
            storable(document.title),
            storable(document.link),
            storable(document.text),
            _to_json(document),
            vector,
        )
        for document, vector in zip(documents, unit(vectors), strict=True)
    ]


def _to_json(document: orbit.Document) -> str:
    kept: dict[str, Any] = {
        key: value
        for key, value in document.metadata.items()
        if key != READERS and (not isinstance(value, float) or math.isfinite(value))
    }
    if document.readers:
        kept[READERS] = document.readers
    return storable(msgspec.json.encode(kept).decode().replace("\\u0000", "\ufffd"))


def to_document(row: asyncpg.Record, score: float | None = None) -> orbit.Document:
    """Return the document of a row."""
    metadata = msgspec.json.decode(row["metadata"])
    readers = tuple(metadata.pop(READERS, ()))
    return orbit.Document(
        id=row["id"],
        text=row["text"],
        source=row["source"],
        title=row["title"],
        link=row["link"],
        digest=row["digest"],
        score=score,
        metadata=metadata,
        readers=readers,
    )


def unit(vectors: Vectors) -> Vectors:
    """Return vectors at length 1, so that their inner product is the cosine similarity. Zero vectors stay zero."""
    import numpy as np  # noqa: PLC0415 - importing a plugin stays light

    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)
