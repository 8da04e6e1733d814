"""Merges ranked lists of documents."""

from __future__ import annotations

from collections.abc import Sequence

from orbit.types import Document

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
