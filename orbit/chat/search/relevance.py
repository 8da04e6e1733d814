"""What the scores of retrievers mean: each on a scale of its own, brought to one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Self

import msgspec

from orbit.chat.search.languages import knows
from orbit.chat.search.scripts import share
from orbit.config.model import RetrievalSettings
from orbit.host.providers.registry import Registry
from orbit.types import Calibration, Document

THRESHOLD = 0.25
"""The certainty below which nothing counts as found. bench/quality.py shows what it refuses and what it loses."""

_TOP = 5
"""Passages of two lists that are compared."""


class _Evidence(msgspec.Struct, frozen=True):
    """Weights of a logistic regression: how likely it is that a collection answers a question.

    Fitted on half of 441 questions in eight languages that collections answer and 212 that they do not, with three
    embedding models; bench/quality.py reports the figures on all, docs/architecture.md those on the other half.
    ``known`` weights hold for languages that the embedding model knows, ``unknown`` ones for others.
    """

    bias: tuple[float, float]
    vectors: tuple[float, float] = (0.0, 0.0)
    words: tuple[float, float] = (0.0, 0.0)
    agreement: float = 0.0


_BOTH = _Evidence(bias=(-3.6, -3.0), vectors=(6.1, 1.9), words=(3.2, 4.7), agreement=3.1)
_VECTORS = _Evidence(bias=(-2.8, -2.4), vectors=(8.7, 3.4))
_WORDS = _Evidence(bias=(-1.9, -1.9), words=(6.0, 6.0))


class Relevance(msgspec.Struct, frozen=True):
    """The scale and the weight of each retriever's scores."""

    calibrations: Mapping[str, Calibration]
    weights: Mapping[str, float]
    dense: frozenset[str] = frozenset()
    """The retrievers that search by embeddings."""

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
        dense = frozenset(name for name in names if own[name] is None)
        return cls(known, {name: settings.weights.get(name, known[name].weight) for name in names}, dense)

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

    def certainty(self, found: Mapping[str, Sequence[Document]], question: str) -> float:
        """Return how likely it is that a collection answers a question, 0 to 1, by the lists of its retrievers.

        It rests on the best score of vectors and of words, and on how many of their first passages are the same.
        """
        used = {name: ranked for name, ranked in found.items() if self.weights[name]}
        vectors = {name: ranked for name, ranked in used.items() if name in self.dense}
        words = {name: ranked for name, ranked in used.items() if name not in self.dense}
        known = max((self._knows(name, question) for name in vectors), default=0.0)
        model = _BOTH if vectors and words else _VECTORS if vectors else _WORDS
        first = [{one.id for ranked in lists.values() for one in ranked[:_TOP]} for lists in (vectors, words)]
        evidence = (
            _between(model.bias, known)
            + _between(model.vectors, known) * self._best(vectors)
            + _between(model.words, known) * self._best(words)
            + model.agreement * len(first[0] & first[1]) / _TOP
        )
        return 1 / (1 + math.exp(-evidence)) if any(used.values()) else 0.0

    def _knows(self, name: str, question: str) -> float:
        scale = self.calibrations[name]
        return share(question, scale.scripts) * knows(question, scale.languages)

    def _best(self, lists: Mapping[str, Sequence[Document]]) -> float:
        """Return the best score of some lists on its scale, where 0 is irrelevant and 1 certain."""
        return max(
            (_scaled(ranked[0].score or 0.0, self.calibrations[name]) for name, ranked in lists.items() if ranked),
            default=0.0,
        )


def _between(weights: tuple[float, float], known: float) -> float:
    return weights[0] * known + weights[1] * (1 - known)


def _scaled(score: float, scale: Calibration) -> float:
    return (score - scale.irrelevant) / (scale.certain - scale.irrelevant)


def _on_scale(score: float, scale: Calibration) -> float:
    return min(1.0, max(0.0, _scaled(score, scale)))
