"""What every embedding model of this plugin can do, and two models used as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from orbit import Vectors


class Encoded(msgspec.Struct, frozen=True):
    """The vector of one text, of length 1, and what happened to a text that was too long (else empty)."""

    vector: Vectors
    shortened: str = ""


class Encoder(Protocol):
    """An embedding model. Threads may share it."""

    dimension: int

    def encode(self, text: str, *, question: bool) -> Encoded:
        """Embed one text: a question, or a passage."""
        ...


class Joined:
    """Several models as one: their vectors one after the other, so that similarities are the mean of theirs."""

    def __init__(self, encoders: Sequence[Encoder]) -> None:
        self._encoders = encoders
        self.dimension = sum(encoder.dimension for encoder in encoders)

    def encode(self, text: str, *, question: bool) -> Encoded:
        """Embed one text with each model."""
        import numpy as np  # noqa: PLC0415  # importing a plugin stays light

        parts = [encoder.encode(text, question=question) for encoder in self._encoders]
        vector = normalized(np.concatenate([part.vector for part in parts]))
        return Encoded(vector, next((part.shortened for part in parts if part.shortened), ""))


def normalized(vector: Vectors) -> Vectors:
    """Return a vector as float32 of length 1; one of zeros stays."""
    import numpy as np  # noqa: PLC0415  # importing a plugin stays light

    length = float(np.linalg.norm(vector))
    return np.asarray(vector / length if length else vector, dtype=np.float32)
