"""What the scores of retrievers mean: each on a scale of its own, brought to one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Self

import msgspec

from orbit.chat.scripts import share
from orbit.config.model import RetrievalSettings
from orbit.host.registry import Registry
from orbit.types import Calibration

THRESHOLD = 0.13
"""The confidence below which nothing counts as found. bench/quality.py shows what it refuses and what it loses."""


class Relevance(msgspec.Struct, frozen=True):
    """The scale and the weight of each retriever's scores."""

    calibrations: Mapping[str, Calibration]
    weights: Mapping[str, float]

    @classmethod
    def of(cls, registry: Registry, settings: RetrievalSettings, embedder: str) -> Self | None:
        """Return the scales of all retrievers; None if one of them has none, or nothing is to be compared.

        A retriever that searches by embeddings has the scale of the embedding provider ``embedder``.
        """
        names = registry.implementing("retrieve")
        own = {name: registry.calibration(name, "retrieve") for name in names}
        if len(names) < 2 and not any(own.values()):  # noqa: PLR2004  # a single list needs no fusion
            return None
        embedded = registry.calibration(embedder, "embed") if embedder else None
        found = {name: own[name] or (embedded if registry.needs(name, "embed") else None) for name in names}
        known = {name: scale for name, scale in found.items() if scale is not None}
        if not known or len(known) < len(names):
            return None
        return cls(known, {name: settings.weights.get(name, known[name].weight) for name in names})

    def trust(self, question: str) -> Mapping[str, float]:
        """Return how much of a question each retriever can judge: the share of letters in scripts that it knows."""
        return {name: share(question, scale.scripts) for name, scale in self.calibrations.items()}

    def confidence(self, scores: Mapping[str, float], answered: Iterable[str], trust: Mapping[str, float]) -> float:
        """Return how sure it is that a passage with these scores, by retriever, answers: 0 to 1.

        ``answered`` names the retrievers that have searched the collection; others do not count. Nor does one as far as
        it cannot judge the question (``trust``), unless it is the only one that answered.
        """
        names = set(answered)
        weights = {name: self.weights[name] * (trust[name] if len(names) > 1 else 1.0) for name in names}
        total = sum(weights.values()) or 1.0
        found = sum(weights[name] * _on_scale(score, self.calibrations[name]) for name, score in scores.items())
        return found / total


def _on_scale(score: float, scale: Calibration) -> float:
    return min(1.0, max(0.0, (score - scale.irrelevant) / (scale.certain - scale.irrelevant)))
