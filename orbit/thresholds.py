"""Thresholds of stores that search by vectors: the settings, and which passages of a result pass them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from orbit.types import Document

__all__ = ["Thresholds", "good_enough"]

_RELEVANT, _CONFIDENT = 0.25, 0.3
"""The thresholds of searches whose scores the host does not compare."""

_Similarity = Annotated[float, Meta(ge=0, le=1)]


class Thresholds(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The settings of thresholds. Derive a store's ``Settings`` from it."""

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


def good_enough(documents: Sequence[Document], thresholds: Thresholds, *, compared: bool) -> list[Document]:
    """Return the passages that pass the thresholds, or none if even the best is doubtful.

    ``documents`` are ordered best first. If the host compares the scores (``Query.compared``), only configured
    thresholds hold.
    """
    relevant, confident = (
        value if value is not None else 0.0 if compared else default
        for value, default in (
            (thresholds.relevance_threshold, _RELEVANT),
            (thresholds.confidence_threshold, _CONFIDENT),
        )
    )
    if not documents or (documents[0].score or 0.0) < confident:
        return []
    return [document for document in documents if (document.score or 0.0) >= relevant]
