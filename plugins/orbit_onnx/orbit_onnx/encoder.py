"""What every embedding model of this plugin can do."""

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

    def text_of(self, tokens: Sequence[int]) -> str:
        """Return the text of token ids. Raises ProviderError if it cannot."""
        ...


def normalized(vector: Vectors) -> Vectors:
    """Return a vector as float32 of length 1; one of zeros stays."""
    import numpy as np  # noqa: PLC0415  # importing a plugin stays light

    length = float(np.linalg.norm(vector))
    return np.asarray(vector / length if length else vector, dtype=np.float32)
