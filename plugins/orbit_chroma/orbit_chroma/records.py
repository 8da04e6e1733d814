"""Converts documents to Chroma's records and back, and filters results by similarity. Pure functions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orbit
from orbit import MetadataValue
from orbit_chroma import foreign

PREFIX = "orbit_"
"""Prefix of the metadata keys for a document's own fields. All other keys are the document's metadata."""

SOURCE = PREFIX + "source"
DIGEST = PREFIX + "digest"
PARTS = PREFIX + "parts"
TITLE = PREFIX + "title"
LINK = PREFIX + "link"

RESTRICTED = PREFIX + "restricted"
"""Is True in the metadata of a document with readers."""
READER = PREFIX + "reader:"
"""Begins a key for each of its readers, by which a search finds it."""
_READERS = PREFIX + "readers"
"""All of its readers, in order, as JSON."""

ADOPTED = "adopted"
"""The digest of another program's source: it is complete, and differs from any file's digest."""


def to_metadatas(documents: Sequence[orbit.Document], parts: Mapping[str, int]) -> list[dict[str, MetadataValue]]:
    """Return the metadata of each document. ``parts`` holds the number of documents of each source.

    The number shows whether a source was written completely.
    """
    return [
        {
            **{key: value for key, value in document.metadata.items() if not key.startswith(PREFIX)},
            SOURCE: document.source,
            TITLE: document.title,
            LINK: document.link,
            DIGEST: document.digest,
            PARTS: parts[document.source],
            **_reading(document.readers),
        }
        for document in documents
    ]


def _reading(readers: Sequence[str]) -> dict[str, MetadataValue]:
    if not readers:
        return {}
    return {RESTRICTED: True, _READERS: json.dumps(list(readers)), **{f"{READER}{name}": True for name in readers}}


def to_documents(found: Mapping[str, Any], metric: str) -> list[orbit.Document]:
    """Return the documents of Chroma's result for a query with one vector, nearest first."""
    rows = zip(found["ids"][0], found["documents"][0], found["metadatas"][0], found["distances"][0], strict=True)
    return [
        _to_document(record_id, text or "", metadata or {}, similarity(distance, metric))
        for record_id, text, metadata, distance in rows
    ]


def stored(found: Mapping[str, Any]) -> list[orbit.Document]:
    """Return the documents of Chroma's result for records by their metadata, without scores."""
    rows = zip(found["ids"], found["documents"] or (), found["metadatas"] or (), strict=True)
    return [_to_document(record_id, text or "", metadata or {}, None) for record_id, text, metadata in rows]


def source_of(metadata: Mapping[str, Any]) -> str:
    """Return the source of a record, ORBIT's or another program's; empty if there is none."""
    return str(metadata[SOURCE]) if SOURCE in metadata else foreign.source(metadata)


def _to_document(record_id: str, text: str, metadata: Mapping[str, Any], score: float | None) -> orbit.Document:
    return orbit.Document(
        id=record_id,
        text=text,
        source=source_of(metadata),
        title=foreign.title(metadata) if TITLE not in metadata else str(metadata[TITLE]),
        link=foreign.link(metadata) if LINK not in metadata else str(metadata[LINK]),
        digest=str(metadata.get(DIGEST, "")),
        score=score,
        metadata=_facts(metadata) if SOURCE in metadata else foreign.facts(_facts(metadata)),
        readers=tuple(json.loads(str(metadata[_READERS]))) if metadata.get(RESTRICTED) else (),
    )


def _facts(metadata: Mapping[str, Any]) -> dict[str, MetadataValue]:
    return {
        key: value
        for key, value in metadata.items()
        if not key.startswith(PREFIX) and isinstance(value, str | int | float | bool)
    }


def similarity(distance: float, metric: str) -> float:
    """Convert a distance of unit vectors to their cosine similarity, in 0..1.

    Chroma measures ``cosine`` and ``ip`` as 1 - cos, and ``l2`` as the squared distance, which is 2 - 2 cos.
    """
    return min(1.0, max(0.0, 1.0 - (distance / 2 if metric == "l2" else distance)))


def digests(metadatas: Iterable[Mapping[str, Any] | None]) -> dict[str, str]:
    """Return each source with its digest, from the metadata of all records of a collection.

    If the digests of a source's records differ, or records are missing, the source was not written completely. Its
    digest is then empty, so that ingestion writes it again. A source of another program has the digest ``ADOPTED``.
    """
    counts: Counter[str] = Counter()
    first: dict[str, tuple[str, int]] = {}
    broken: set[str] = set()
    adopted: set[str] = set()
    for metadata in metadatas:
        if metadata is None:
            continue
        source = source_of(metadata)
        if SOURCE not in metadata:
            if source:
                adopted.add(source)
            continue
        mark = (str(metadata.get(DIGEST, "")), int(metadata.get(PARTS, 0)))
        counts[source] += 1
        if first.setdefault(source, mark) != mark:
            broken.add(source)
    complete = {
        source: "" if source in broken or counts[source] != parts else digest
        for source, (digest, parts) in first.items()
    }
    return dict.fromkeys(adopted, ADOPTED) | complete
