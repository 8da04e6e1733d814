"""What the contracts ask with unless an author's fixtures say otherwise."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import pytest

from orbit import Document, Query
from orbit.host import OrbitHost

Load: TypeAlias = Callable[[OrbitHost, Sequence[Document]], Awaitable[None]]
"""Puts documents where a retriever finds them."""

COLLECTION = "contract"

UNICODE = "Grüße, 漢字, \u05d0\u05d1\u05d2, \U0001f600, \U0001f1e9\U0001f1ea, e\u0301, \U0001f469\u200d\U0001f52c."
"""Characters of one to four bytes, from the right to the left, and such as belong together."""

HUGE = "All work and no play makes a dull boy. " * 4000
"""Far more text than a model reads: 156,000 characters."""


class PassageFixtures:
    """Documents and a question about them."""

    @pytest.fixture
    def documents(self) -> list[Document]:
        """Passages about several things; at least three, of at least two sources."""
        return [
            Document("tea-1", "Green tea is steeped for two minutes in water of 80 degrees.", "tea.md", "Tea"),
            Document("tea-2", "Black tea is steeped for four minutes in boiling water.", "tea.md", "Tea"),
            Document("coffee-1", "Coffee is ground just before it is brewed.", "coffee.md", "Coffee"),
            Document("bread-1", "Bread dough rests for an hour before it is baked.", "bread.md", "Bread"),
        ]

    @pytest.fixture
    def query(self) -> Query:
        """A question that at least two of the documents have to do with."""
        return Query("How long is tea steeped in water?", COLLECTION)
