"""Verifies that the vectors of another program's collection come from the embedding model in use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

import orbit
from orbit_chroma.foreign import embedded_text

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

    from orbit import Vectors

SAMPLE: Final = 20
"""Records whose texts are embedded again."""

_ALIKE: Final = 0.95
"""Median cosine similarity from which two vectors count as the same model's.

The same weights on other hardware or in another precision stay above 0.99. Another model, or another prefix of the
text, falls far below.
"""

_UNIT_TOLERANCE: Final = 0.01


class Sample(msgspec.Struct, frozen=True):
    """Some records of a collection: their texts, and their vectors as float32 of shape (texts, dimension)."""

    texts: tuple[str, ...]
    vectors: Any


def take_sample(collection: Collection) -> Sample:
    """Read records from all parts of a collection. Blocks."""
    import numpy as np  # noqa: PLC0415 - importing a plugin stays light

    count = collection.count()
    texts: list[str] = []
    vectors: list[Any] = []
    for offset in range(0, count, max(1, count // SAMPLE)):
        page = collection.get(limit=1, offset=offset, include=["documents", "embeddings", "metadatas"])
        text = page["documents"][0] if page["documents"] else None
        if text:
            texts.append(embedded_text(text, page["metadatas"][0] or {} if page["metadatas"] else {}))
            vectors.append(page["embeddings"][0])  # type: ignore[index]  # they were asked for
        if len(texts) == SAMPLE:
            break
    if count and not texts:
        raise orbit.ProviderError(
            f"Collection '{collection.name}' contains no texts, so there is nothing to answer from."
        )
    return Sample(tuple(texts), np.array(vectors, dtype=np.float32))


def problem(sample: Sample, again: Vectors, metric: str, embedding: str) -> str:
    """Return why ``embedding`` cannot use a collection; empty if it can. ``again``: its vectors of the same texts."""
    import numpy as np  # noqa: PLC0415 - importing a plugin stays light

    if sample.vectors.shape[1] != again.shape[1]:
        return f"its vectors have {sample.vectors.shape[1]} dimensions, those of {embedding} {again.shape[1]}"
    stored, fresh = normalized(sample.vectors), normalized(again)
    alike = float(np.median(np.sum(stored * fresh, axis=1)))
    if alike < _ALIKE:
        return (
            f"{embedding} did not make its vectors: for {len(sample.texts)} of its texts, new vectors have a median "
            f"similarity of {alike:.2f} to the stored ones, and the same model would reach {_ALIKE}"
        )
    lengths = np.linalg.norm(sample.vectors, axis=1)
    if metric != "cosine" and float(np.max(np.abs(lengths - 1))) > _UNIT_TOLERANCE:
        return f"its metric is {metric} and its vectors do not have length 1, so its distances are not similarities"
    return ""


def normalized(vectors: Vectors) -> Vectors:
    """Return the vectors at length 1; zeros stay zeros."""
    import numpy as np  # noqa: PLC0415 - importing a plugin stays light

    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), dtype=np.float32)
