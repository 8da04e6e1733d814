"""Brings the scores of retrievers, each on a scale of its own, to one scale of relevance."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Self

import msgspec

from orbit.chat.search.languages import UNKNOWN, is_foreign, knows
from orbit.chat.search.scripts import share
from orbit.config.model import RetrievalSettings
from orbit.host.providers.registry import Registry
from orbit.types import Calibration, Document

THRESHOLD = 0.25
"""The certainty below which nothing counts as found. bench/quality.py shows what it refuses and what it loses."""

_TOP = 5
"""Passages of two lists that are compared. As many after them are what a question finds in any case."""

BEGINNING = 400
"""Characters of a passage that tell its language."""

_CLEARLY = 0.1
"""How much more similar than the best passage in the question's language one in another language must be."""


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
"""Weights where the first passage is in another language that the model knows: that words are missing says nothing.

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

    def shares(self, answered: Iterable[str], question: str) -> Mapping[str, float]:
        """Return the weight of each retriever that has searched the collection (``answered``); their sum is 1, or 0.

        One that cannot judge the question counts as far as it knows the scripts, unless it is the only one.
        """
        names = set(answered)
        weights = {
            name: self.weights[name] * (share(question, self.calibrations[name].scripts) if len(names) > 1 else 1.0)
            for name in names
        }
        total = sum(weights.values()) or 1.0
        return {name: weight / total for name, weight in weights.items()}

    def confidence(self, scores: Mapping[str, float], shares: Mapping[str, float]) -> float:
        """Return how sure it is that a passage with these scores, by retriever, answers: from 0, irrelevant, to 1.

        Scores beyond the ends of their scales go beyond 0 and 1, so that passages there still have an order.
        """
        return sum(shares[name] * _scaled(score, self.calibrations[name]) for name, score in scores.items())

    def lifts(
        self,
        scores: Mapping[str, Mapping[str, float]],
        documents: Mapping[str, Document],
        shares: Mapping[str, float],
        question: str,
    ) -> Mapping[str, float]:
        """Return how much surer similarity alone makes one of passages in another language than the question, by id.

        They cannot share its words. Where one is clearly more similar than the surest passage in the question's
        language, the difference counts as its score of words, if the embedding model knows both languages.
        """
        dense = self.dense & shares.keys()
        words = sum(shares[name] for name in shares.keys() - dense)
        if not words or self.knows(dense, question) <= UNKNOWN:
            return {}
        texts = {key: document.text[:BEGINNING] for key, document in documents.items()}
        similar = {
            key: max((_scaled(of[name], self.calibrations[name]) for name in dense & of.keys()), default=0.0)
            for key, of in scores.items()
        }
        surest = sorted(scores, key=lambda key: -self.confidence(scores[key], shares))
        first = next((key for key in surest if not is_foreign(question, texts[key])), "")
        least = similar.get(first, min(similar.values(), default=0.0)) + _CLEARLY
        return {
            key: words * (similarity - least)
            for key, similarity in similar.items()
            if similarity > least and is_foreign(question, texts[key]) and self.knows(dense, texts[key]) > UNKNOWN
        }

    def certainty(self, found: Mapping[str, Sequence[Document]], question: str, full: int, first: str = "") -> float:
        """Return how likely it is that a collection answers a question, 0 to 1, by the lists of its retrievers.

        Where a list ends after ``full`` documents, others may score as high as its last one. ``first`` is the text of
        the passage that ranks first.
        """
        used = {name for name in found if self.weights[name]}
        if not any(found[name] for name in used):
            return 0.0
        known_weights, other_weights = _VECTORS if used <= self.dense else _BOTH if used & self.dense else _WORDS
        signs, known = self.signs(found, full), self.knows(used, question)
        if known_weights is _BOTH[0] and is_foreign(question, first[:BEGINNING]):
            known_weights, known = _FOREIGN, known * self.knows(used, first[:BEGINNING])
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
