"""Sample documents for contracts, and the rules for every hook that returns documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pytest

from orbit import Document, Query
from orbit.testing.contract.promise import Promise, kind

COLLECTION: Final = "contract"


class PassageFixtures:
    """Fixtures for documents and a question about them."""

    @pytest.fixture
    def documents(self) -> Sequence[Document]:
        """Return at least three passages about different things, from at least two sources, grouped by source."""
        return [
            Document("tea-1", "Green tea is steeped for two minutes in hot water.", "tea.md", "Tea", digest="1"),
            Document("tea-2", "Black tea is steeped for four minutes in boiling water.", "tea.md", "Tea", digest="1"),
            Document("coffee-1", "Coffee is ground just before it is brewed.", "coffee.md", "Coffee", digest="2"),
            Document("bread-1", "Bread dough rests for an hour before it is baked.", "bread.md", "Bread", digest="3"),
        ]

    @pytest.fixture
    def query(self) -> Query:
        """Return a question to which at least two of the documents are relevant."""
        return Query("How long is tea steeped in water?", COLLECTION)


def are_documents(promise: Promise, found: Any) -> None:
    """Check that a value is a list of documents that the host can use."""
    if not isinstance(found, list | tuple):
        promise.broken(f"it returned {kind(found)}", "return a list, empty if nothing was found")
    for document in found:
        if not isinstance(document, Document):
            promise.broken(f"the list has {kind(document)} in it", "make an orbit.Document of each")
        named: tuple[Any, ...] = (document.id, document.text)
        if not all(isinstance(value, str) and value for value in named):
            promise.broken(f"there is {document}", "give each document an id and its text")
    ids = [document.id for document in found]
    if len(set(ids)) < len(ids):
        promise.broken(f"the ids are {', '.join(ids[:8])}", "give each passage an id of its own, and return it once")


def are_in_order(promise: Promise, found: Sequence[Document]) -> None:
    """Check that scores are from 0 to 1 and the best comes first."""
    scores: list[Any] = [document.score for document in found if document.score is not None]
    for score in scores:
        if not isinstance(score, int | float) or not 0 <= score <= 1:
            promise.broken(f"there is the score {score!r}", "map scores to 0..1, 1 being best, or leave them None")
    if scores != sorted(scores, reverse=True):
        promise.broken(
            f"the scores are {', '.join(f'{score:.3g}' for score in scores[:8])}", "sort by score, best first"
        )
