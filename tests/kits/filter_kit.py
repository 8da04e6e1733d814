"""Random passages and filters, and what a filter means: a reference that shares no code with ORBIT."""

from __future__ import annotations

import operator
import random
from collections.abc import Sequence
from typing import Any

from orbit import ComparisonFilter, CompoundFilter, Document, Filter, Query

WORDS = ("ferry", "harbour", "library", "garden", "bridge", "market", "school", "castle")
GROUPS = ("hr", "legal", "board of directors")
KEYS = ("year", "weight", "language", "draft", "source", "title", "absent", "mixed")
VALUES: dict[str, Sequence[Any]] = {
    "year": (2020, 2021, 2022, 2022.0, 2021.5),
    "weight": (-1, 0, 0.5, 2.0, 1e6),
    "language": ("de", "en", "", "'; DROP TABLE x --", "$ne"),
    "draft": (True, False, 1, 0, "true"),
    "mixed": (1, True, "1", 1.0, 0, "x"),
    "source": ("a.md", "b/c d.md", "unknown"),
    "title": ("Guide", "", "Über uns"),
    "absent": ("x", 1),
}
NUMBERS = (2020, 2021.5, 2022, -1, 0, 0.5, 1, 1.5)


def means(document: Document, query: Query) -> bool:
    """Whether a query may find a passage."""

    def met(one: Any) -> bool:
        if isinstance(one, CompoundFilter):
            return (all if one.type == "and" else any)(map(met, one.filters))
        fields = {**document.metadata, "source": document.source, "title": document.title, "link": document.link}
        held = (type(fields[one.key]) is bool, fields[one.key]) if one.key in fields else None
        if one.type in ("eq", "ne", "in", "nin"):
            values = one.value if isinstance(one.value, tuple) else (one.value,)
            return (held in [(type(value) is bool, value) for value in values]) == (one.type in ("eq", "in"))
        compare = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}[one.type]
        return held is not None and not held[0] and not isinstance(held[1], str) and compare(held[1], one.value)

    return (not document.readers or bool(query.readers & {*document.readers})) and (
        not query.filter or met(query.filter)
    )


def some_documents(chance: random.Random, count: int) -> list[Document]:
    """Return passages with random metadata and readers, grouped by source."""
    made = []
    for number in range(count):
        metadata = {key: chance.choice(VALUES[key]) for key in (*KEYS[:4], "mixed") if chance.random() < 0.7}
        readers = tuple(chance.sample(GROUPS, chance.choice((0, 0, 1, 2))))
        text = f"{' '.join(chance.choices(WORDS, k=3))} {number}"
        source, title = chance.choice(("a.md", "b/c d.md", "e.md")), chance.choice(VALUES["title"])
        made.append(Document(f"p{number}", text, source, title, digest="d", metadata=metadata, readers=readers))
    return sorted(made, key=lambda document: document.source)


def some_query(chance: random.Random, collection: str) -> Query:
    """Return a question with a random filter, or none, and random readers."""
    condition = _some_filter(chance, 3) if chance.random() < 0.85 else None
    readers = frozenset(chance.sample(GROUPS, chance.choice((0, 1, 2))))
    text = " ".join(chance.choices(WORDS, k=2))
    return Query(text, collection, compared=True, filter=condition, readers=readers)


def _some_filter(chance: random.Random, depth: int) -> Filter:
    if depth and chance.random() < 0.4:
        parts = tuple(_some_filter(chance, depth - 1) for _ in range(chance.randint(1, 3)))
        return CompoundFilter(chance.choice(("and", "or")), parts)
    key = chance.choice(KEYS)
    kinds: Sequence[Any] = (
        "eq",
        "ne",
        "in",
        "nin",
        *(() if key in ("source", "title") else ("gt", "gte", "lt", "lte")),
    )
    kind = chance.choice(kinds)
    if kind in ("in", "nin"):
        return ComparisonFilter(kind, key, tuple(chance.choices(VALUES[key], k=chance.randint(1, 3))))
    return ComparisonFilter(kind, key, chance.choice(VALUES[key] if kind in ("eq", "ne") else NUMBERS))


def check_found(found: Sequence[Document], everything: Sequence[Document], query: Query, limit: int) -> None:
    """Compare what a store found with the best of all its passages, ``everything``, which have their scores."""
    best = [document for document in everything if means(document, query)][:limit]
    assert all(means(document, query) for document in found), query
    assert len(found) == len(best), query
    gaps = [abs((a.score or 0) - (b.score or 0)) for a, b in zip(found, best, strict=True)]
    assert max(gaps, default=0) < 1e-3, query
