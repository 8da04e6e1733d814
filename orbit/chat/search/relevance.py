"""Brings the scores of retrievers, each on a scale of its own, to one scale of relevance."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Self

import msgspec

from orbit.chat.search.languages import is_foreign, knows
from orbit.chat.search.scripts import share
from orbit.config.model import RetrievalSettings
from orbit.host.providers.registry import Registry
from orbit.types import Calibration, Document

THRESHOLD = 0.25
"""The certainty below which nothing counts as found. bench/quality.py shows what it refuses and what it loses."""

_TOP = 5
"""Passages of two lists that are compared. As many after them are what a question finds in any case."""

_BEGINNING = 400
"""Characters of a passage that tell its language."""


class Signs(msgspec.Struct, frozen=True):
    """What the lists for a question show, on scales where 0 is irrelevant and 1 certain; or how much each weighs."""

    constant: float = 1.0
    vectors: float = 0.0
    """The best similarity."""
    words: float = 0.0
    """The best score of a full-text search."""
    agreement: float = 0.0
    """The share of the first passages that both have found."""
    vectors_ahead: float = 0.0
    """How far the best similarity is above those after the first passages."""
    words_ahead: float = 0.0


_BOTH = (Signs(-4.5, 5.1, 1.5, 1.0, 4.6, 5.1), Signs(-4.2, 0.3, 1.4, 4.5, 6.1, 8.6))
_VECTORS = (Signs(-4.4, vectors=12.4, vectors_ahead=3.6), Signs(-1.7, vectors=1.5, vectors_ahead=4.0))
_WORDS = (Signs(-3.3, words=4.6, words_ahead=4.1),) * 2
"""By the retrievers that there are: weights for languages that the embedding model knows, and for others."""
_FOREIGN = Signs(-4.0, 7.4, 0.0, 1.5, 6.1, 1.9)
"""Weights where the passages are in another language that the model knows: that words are missing says nothing.

docs/architecture.md says how they were fitted, on which questions, and what they refuse on others.
"""


class Relevance(msgspec.Struct, frozen=True):
    """The scale and the weight of each retriever's scores."""

    calibrations: Mapping[str, Calibration]
    weights: Mapping[str, float]
    dense: frozenset[str] = frozenset()
    """The retrievers that search by embeddings."""

    @classmethod
    def of(cls, registry: Registry, settings: RetrievalSettings, embedder: str) -> Self | None:
        """Return the scales of all retrievers; None if one of them has none.

        A retriever that searches by embeddings has the scale of the embedding provider ``embedder``.
        """
        names = registry.implementing("retrieve")
        own = {name: registry.calibration(name, "retrieve") for name in names}
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
        """Return how sure it is that a passage with these scores, by retriever, answers: from 0, irrelevant, to 1.

        Scores beyond the ends of their scales go beyond 0 and 1, so that passages there still have an order.

        ``answered`` names the retrievers that have searched the collection; others do not count. Nor does one as far as
        it cannot judge the question (``trust``), unless it is the only one that answered.
        """
        names = set(answered)
        weights = {name: self.weights[name] * (trust[name] if len(names) > 1 else 1.0) for name in names}
        total = sum(weights.values()) or 1.0
        found = sum(weights[name] * _scaled(score, self.calibrations[name]) for name, score in scores.items())
        return found / total

    def certainty(self, found: Mapping[str, Sequence[Document]], question: str, full: int) -> float:
        """Return how likely it is that a collection answers a question, 0 to 1, by the lists of its retrievers.

        Where a list ends after ``full`` documents, others may score as high as its last one.
        """
        used = {name for name in found if self.weights[name]}
        if not any(found[name] for name in used):
            return 0.0
        known_weights, other_weights = _VECTORS if used <= self.dense else _BOTH if used & self.dense else _WORDS
        signs, known = self.signs(found, full), self.knows(used, question)
        if known_weights is _BOTH[0] and (text := self.foreign(found, question)):
            known_weights, known = _FOREIGN, known * self.knows(used, text)
        evidence = known * _weighed(signs, known_weights) + (1 - known) * _weighed(signs, other_weights)
        return 1 / (1 + math.exp(-evidence))

    def signs(self, found: Mapping[str, Sequence[Document]], full: int) -> Signs:
        """Return what the lists of a question's retrievers show."""
        lists = {name: ranked for name, ranked in found.items() if self.weights[name] and ranked}
        vectors = {name: ranked for name, ranked in lists.items() if name in self.dense}
        words = {name: ranked for name, ranked in lists.items() if name not in self.dense}
        first = [{one.id for ranked in kind.values() for one in ranked[:_TOP]} for kind in (vectors, words)]
        best, ahead = self._best(vectors, full)
        best_words, words_ahead = self._best(words, full)
        return Signs(1.0, best, best_words, len(first[0] & first[1]) / _TOP, ahead, words_ahead)

    def foreign(self, found: Mapping[str, Sequence[Document]], question: str) -> str:
        """Return the beginning of a passage if all first ones are in another language than the question."""
        texts = [one.text[:_BEGINNING] for ranked in found.values() for one in ranked[:_TOP]]
        return texts[0] if is_foreign(question, texts) else ""

    def knows(self, names: Iterable[str], text: str) -> float:
        """Return how well the embedding model of some retrievers knows a text's language: 0 to 1."""
        scales = [self.calibrations[name] for name in names if name in self.dense]
        return max((share(text, one.scripts) * knows(text, one.languages) for one in scales), default=0.0)

    def _best(self, lists: Mapping[str, Sequence[Document]], full: int) -> tuple[float, float]:
        """Return the best score of some lists on its scale, and how far it is above those after the first five."""
        found = []
        for name, ranked in lists.items():
            scores = [_scaled(document.score or 0.0, self.calibrations[name]) for document in ranked[: 2 * _TOP]]
            rest = scores[-1] if len(ranked) >= full else 0.0
            usual = [*scores, *[rest] * (2 * _TOP)][_TOP : 2 * _TOP]
            found.append((scores[0], scores[0] - sum(usual) / _TOP))
        return max(found, default=(0.0, 0.0))


def _weighed(signs: Signs, weights: Signs) -> float:
    """Return the sum of all signs, each by its weight: above 0 where an answer is more likely than none."""
    pairs = zip(msgspec.structs.astuple(signs), msgspec.structs.astuple(weights), strict=True)
    return float(sum(sign * weight for sign, weight in pairs))


def _scaled(score: float, scale: Calibration) -> float:
    return (score - scale.irrelevant) / (scale.certain - scale.irrelevant)
