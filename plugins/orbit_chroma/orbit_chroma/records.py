"""Pure translation: documents to Chroma's records and back, and which of the found ones are good enough."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orbit
from orbit import MetadataValue
from orbit_chroma.settings import ChromaSettings

PREFIX = "orbit_"
"""Begins the metadata keys that carry a document's own fields; all others are the document's metadata."""

SOURCE = PREFIX + "source"
DIGEST = PREFIX + "digest"
PARTS = PREFIX + "parts"
_TITLE = PREFIX + "title"
_LINK = PREFIX + "link"

FOREIGN_SOURCE = "source"
"""The key that LangChain, LlamaIndex and others keep the source under."""

ADOPTED = "adopted"
"""The digest of a source that another program wrote: it is complete, and differs from that of any file."""


def to_metadatas(documents: Sequence[orbit.Document], parts: Mapping[str, int]) -> list[dict[str, MetadataValue]]:
    """The metadata of each document. ``parts`` says how many documents its whole source has.

    The count is what tells a source that was written completely from one whose writing was cut short.
    """
    return [
        {
            **{key: value for key, value in document.metadata.items() if not key.startswith(PREFIX)},
            SOURCE: document.source,
            _TITLE: document.title,
            _LINK: document.link,
            DIGEST: document.digest,
            PARTS: parts[document.source],
        }
        for document in documents
    ]


def to_documents(found: Mapping[str, Any], metric: str) -> list[orbit.Document]:
    """Return the documents of Chroma's answer to a query with one vector, as ordered there: nearest first."""
    rows = zip(found["ids"][0], found["documents"][0], found["metadatas"][0], found["distances"][0], strict=True)
    return [
        _to_document(record_id, text or "", metadata or {}, similarity(distance, metric))
        for record_id, text, metadata, distance in rows
    ]


def source_of(metadata: Mapping[str, Any]) -> str:
    """Return the source of a record, ORBIT's or another program's; empty if it names none."""
    return str(metadata.get(SOURCE, metadata.get(FOREIGN_SOURCE, "")))


def _to_document(record_id: str, text: str, metadata: Mapping[str, Any], score: float) -> orbit.Document:
    return orbit.Document(
        id=record_id,
        text=text,
        source=source_of(metadata),
        title=str(metadata.get(_TITLE, metadata.get("title", ""))),
        link=str(metadata.get(_LINK, metadata.get("url", metadata.get("link", "")))),
        digest=str(metadata.get(DIGEST, "")),
        score=score,
        metadata={
            key: value
            for key, value in metadata.items()
            if not key.startswith(PREFIX) and isinstance(value, str | int | float | bool)
        },
    )


def similarity(distance: float, metric: str) -> float:
    """Convert a distance of unit vectors to their cosine similarity, in 0..1.

    Chroma measures ``cosine`` and ``ip`` as 1 - cos, and ``l2`` as the squared distance, which is 2 - 2 cos.
    """
    return min(1.0, max(0.0, 1.0 - (distance / 2 if metric == "l2" else distance)))


def good_enough(documents: Sequence[orbit.Document], settings: ChromaSettings, limit: int) -> list[orbit.Document]:
    """Apply the thresholds to documents ordered best first: nothing if even the best is in doubt."""
    if not documents or (documents[0].score or 0.0) < settings.confidence_threshold:
        return []
    relevant = [document for document in documents if (document.score or 0.0) >= settings.relevance_threshold]
    return relevant[:limit]


def digests(metadatas: Iterable[Mapping[str, Any] | None]) -> dict[str, str]:
    """Each source with its digest, from the metadata of all records of a collection.

    A source whose records differ in digest, or are not as many as they should be, was not written completely: its
    digest is empty, so that whoever compares digests writes it again. A source that another program wrote has the
    digest ``ADOPTED``.
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
