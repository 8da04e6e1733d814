"""Merges ranked lists of documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from orbit.chat.search.relevance import Relevance
from orbit.types import Document

_LEAST = 0.15
"""The share of the best confidence that a document needs to count as found."""

_K = 60
"""The constant of reciprocal rank fusion as its authors propose it: a high rank counts, but not alone."""


def fuse(lists: Sequence[Sequence[Document]]) -> list[Document]:
    """Merge ranked lists by reciprocal rank (Cormack, Clarke and Büttcher, 2009), best first.

    Documents are the same if their ids are. One list keeps its order and scores; of several, ties keep the order of
    the lists.
    """
    if len(lists) == 1:
        return list(lists[0])
    weights: dict[str, float] = {}
    documents: dict[str, Document] = {}
    for ranked in lists:
        for rank, document in enumerate(ranked, start=1):
            weights[document.id] = weights.get(document.id, 0.0) + 1 / (_K + rank)
            documents.setdefault(document.id, document)
    return sorted(documents.values(), key=lambda document: -weights[document.id])


def fuse_scores(
    searches: Iterable[Mapping[str, Sequence[Document]]], relevance: Relevance, full: int, question: str = ""
) -> list[Document]:
    """Merge the lists of retrievers by their scores, best first. ``searches`` has a mapping for each text.

    The score of a document becomes its confidence: the weighed mean of its scores, each brought to one scale. A
    retriever that did not find it gives 0; one that is not in the mapping, because it does not have the collection or
    failed, does not count. Of several texts, the one that finds it best counts. The scripts of ``question`` tell which
    retrievers can judge it, and its language which passages cannot share its words.

    Where a list ends after ``full`` documents, those that it leaves out may score as high as its last one, and count as
    if they did. Otherwise one that a long list just leaves out would seem far less sure than the next.
    """
    best: dict[str, Document] = {}
    rank: dict[str, float] = {}
    for found in searches:
        scores: dict[str, dict[str, float]] = {}
        documents: dict[str, Document] = {}
        ends = {name: ranked[-1].score or 0.0 for name, ranked in found.items() if len(ranked) >= full}
        for name, ranked in found.items():
            for document in ranked:
                scores.setdefault(document.id, {**ends})[name] = document.score or 0.0
                documents.setdefault(document.id, document)
        shares = relevance.shares(found, question)
        lifts = relevance.lifts(scores, documents, shares, question)
        for key, document in documents.items():
            confidence = relevance.confidence(scores[key], shares) + lifts.get(key, 0.0)
            if key not in best or confidence > rank[key]:
                rank[key] = confidence
                best[key] = msgspec.structs.replace(document, score=min(1.0, max(0.0, confidence)))
    return sorted(best.values(), key=lambda document: -rank[document.id])


def relative(documents: Sequence[Document], certainty: float) -> list[Document]:
    """Return documents with scores relative to the first one's, which becomes ``certainty``. Far worse ones go."""
    first = (documents[0].score or 0.0) if documents else 0.0
    if not first:
        return list(documents)
    return [
        msgspec.structs.replace(document, score=certainty * min(1.0, (document.score or 0.0) / first))
        for document in documents
        if (document.score or 0.0) >= _LEAST * first
    ]
