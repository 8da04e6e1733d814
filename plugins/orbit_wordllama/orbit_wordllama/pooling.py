"""Converts token vectors to text vectors: the mean of a text's token vectors, scaled to length 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orbit import Vectors

SLICE = 16_384
"""Token vectors gathered at once, so that one very long text cannot fill the memory (16 MiB at 256 dimensions)."""


def pool(table: Vectors, texts: Sequence[Sequence[int]]) -> Vectors:
    """Average and normalize token vectors.

    ``table`` has shape ``(vocabulary, dimension)``; each of ``texts`` is a list of token ids. Returns float32 of shape
    ``(len(texts), dimension)`` with rows of length 1; a text without tokens gives a row of zeros. Each row depends on
    its own text alone, never on the rest of the batch.
    """
    import numpy as np  # noqa: PLC0415 - importing a plugin stays light

    pooled = np.zeros((len(texts), table.shape[1]), dtype=np.float32)
    for row, ids in enumerate(texts):
        for start in range(0, len(ids), SLICE):
            # "clip", as in WordLlama, for special tokens beyond the table.
            pooled[row] += np.add.reduce(table.take(ids[start : start + SLICE], axis=0, mode="clip"), axis=0)
    # Mean and sum have the same direction, so normalizing makes the division by the number of tokens unnecessary.
    lengths = np.linalg.norm(pooled, axis=1, keepdims=True)
    np.divide(pooled, lengths, out=pooled, where=lengths > 0)
    return pooled
