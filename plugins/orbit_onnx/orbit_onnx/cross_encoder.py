"""Scores passages with a cross-encoder in ONNX: the model reads question and passage together."""

from __future__ import annotations

import math

from orbit_onnx.folder import Folder, FolderError
from orbit_onnx.session import Session, load_tokenizer

_MOST_QUESTION = 2_000
"""Characters of a question that are read, so that the passage keeps room."""


class CrossEncoder:
    """An ONNX export of a model that scores pairs of texts. Threads may share it."""

    def __init__(self, folder: Folder) -> None:
        """Load a model. Raises FolderError."""
        self._session = Session(folder.model)
        self._tokenizer = load_tokenizer(folder.tokenizer)
        self._tokenizer.enable_truncation(folder.max_tokens, strategy="longest_first")
        self._max_chars = folder.max_tokens * 16
        self._output = "logits" if "logits" in self._session.outputs else next(iter(self._session.outputs))
        logits = self._logits("question", "passage")
        if len(logits) not in (1, 2):
            raise FolderError(f"{folder.model} gives {len(logits)} numbers for a pair of texts, not one score")

    def score(self, question: str, passage: str) -> float:
        """Return how well a passage answers a question, from 0 to 1."""
        logits = self._logits(question[:_MOST_QUESTION], passage[: self._max_chars])
        margin = logits[0] if len(logits) == 1 else logits[1] - logits[0]
        return 1 / (1 + math.exp(-margin)) if margin > -700 else 0.0  # noqa: PLR2004  # exp would overflow

    def _logits(self, question: str, passage: str) -> list[float]:
        texts = (text.encode("utf-8", "replace").decode() for text in (question, passage))
        given = self._session.run(self._tokenizer.encode(*texts), self._output)
        return [float(value) for value in given.reshape(-1)]
