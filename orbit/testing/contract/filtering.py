"""The contract of stores that filter: ``Query.filter``, ``Query.readers`` and ``Document.readers``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import msgspec

from orbit import ComparisonFilter, CompoundFilter, Document, Filter, Query
from orbit.filters import allowed
from orbit.testing.contract import calls
from orbit.testing.contract.passages import COLLECTION, PassageFixtures
from orbit.testing.contract.promise import Promise
from orbit.testing.contract.provider import BaseProviderContract
from orbit.testing.contract.subject import Subject

_SOME: Final = 4
"""Passages that each search wants: fewer than there are."""
_STAFF: Final = frozenset({"staff"})
_FILTERS: Final[tuple[Filter, ...]] = (
    ComparisonFilter("eq", "year", 2024),
    ComparisonFilter("eq", "year", 2024.0),
    ComparisonFilter("ne", "year", 2024),
    ComparisonFilter("gt", "year", 2023),
    ComparisonFilter("gte", "year", 2023.5),
    ComparisonFilter("lt", "weight", 2),
    ComparisonFilter("lte", "weight", 0.5),
    ComparisonFilter("in", "language", ("de", "fr")),
    ComparisonFilter("nin", "language", ("de", "fr", 7)),
    ComparisonFilter("eq", "draft", value=True),
    ComparisonFilter("ne", "draft", 1),
    ComparisonFilter("eq", "source", "filter-3.md"),
    ComparisonFilter("in", "title", ("Title 1", "Title 2")),
    ComparisonFilter("eq", "absent", "x"),
    ComparisonFilter("nin", "absent", ("x",)),
    CompoundFilter("and", (ComparisonFilter("gt", "year", 2021), ComparisonFilter("eq", "language", "de"))),
    CompoundFilter(
        "or",
        (
            ComparisonFilter("eq", "year", 2020),
            CompoundFilter("and", (ComparisonFilter("lt", "weight", 1), ComparisonFilter("eq", "draft", value=False))),
        ),
    ),
)


class FilterRules(PassageFixtures, BaseProviderContract):
    """The rules for stores whose ``filters`` returns True."""

    async def test_index_keeps_readers(
        self, promise: Promise, subject: Subject, documents: Sequence[Document], query: Query
    ) -> None:
        """A store that filters shows a passage with readers to them alone, and `list_passages` returns its readers."""
        _filters(promise, subject)
        names = ("staff", 'ORBIT\'s "Größe" $1 {a}')
        secret = msgspec.structs.replace(documents[0], id="secret", source="secret.md", readers=names)
        await calls.answered(promise, lambda: _index(subject, [*documents, secret]))
        asking = (({"staff"}, True), ({names[1], "x"}, True), ({"x"}, False), (set[str](), False))
        for groups, expected in asking:
            asked = Query(query.text, COLLECTION, compared=True, readers=frozenset(groups))
            found = await calls.answered(promise, partial(subject.call, "retrieve", query=asked, limit=20))
            held = next((document for document in found if document.id == "secret"), None)
            if (held is not None) is not expected:
                promise.broken(
                    f"for the groups {sorted(groups)} a passage with the readers {list(names)} "
                    f"{'was' if held else 'was not'} found",
                    "compare Document.readers with Query.readers, or return False from filters",
                )
            if held is not None and held.readers != names:
                promise.broken(f"its readers came back as {held.readers}, not {names}", "store Document.readers")
        listed = await calls.answered(
            promise, lambda: subject.call("list_passages", collection=COLLECTION, sources=["secret.md"])
        )
        if [document.readers for document in listed] != [names]:
            promise.broken(f"list_passages returned {listed}", "return each passage with its readers")

    async def test_index_filters(self, promise: Promise, subject: Subject, query: Query) -> None:
        """A store that filters returns the best passages of those that the filter and the readers allow."""
        _filters(promise, subject)
        documents = sorted((_document(query, number) for number in range(24)), key=lambda document: document.source)
        await calls.answered(promise, lambda: _index(subject, documents))
        for groups in (frozenset[str](), _STAFF):
            for condition in (None, *_FILTERS):
                asked = Query(query.text, COLLECTION, compared=True, filter=condition, readers=groups)
                found = await calls.answered(promise, partial(subject.call, "retrieve", query=asked, limit=_SOME))
                right = {document.id for document in documents if allowed(document, asked)}
                wrong = [document.id for document in found if document.id not in right]
                if wrong:
                    promise.broken(f"{condition} with the groups {sorted(groups)} found {wrong}", _HELP)
                if len(found) < min(_SOME, len(right)):
                    promise.broken(
                        f"{condition} with the groups {sorted(groups)} found {len(found)} of {len(right)} passages",
                        "filter before you cut at the limit",
                    )


_HELP: Final = "leave out what orbit.filters.allowed(document, query) refuses"


def _filters(promise: Promise, subject: Subject) -> None:
    if not subject.provider.filters():
        promise.untold("since filters returns False")
    for hook in ("retrieve", "list_passages"):
        if not subject.implements(hook):
            promise.broken(f"it does not implement {hook}", "implement it, or return False from filters")


def _document(query: Query, number: int) -> Document:
    """Return a passage that answers the question, and differs from others in all that filters name."""
    metadata: dict[str, Any] = {"year": 2020 + number % 6, "weight": number / 4}
    metadata |= {"year": float(metadata["year"])} if number % 5 == 0 else {}
    metadata |= {"language": ("de", "en", "fr")[number % 3]} if number % 4 else {}
    metadata |= {"draft": number % 2 == 0} if number % 7 else {}
    readers = {0: ("staff",), 1: ("boss",), 2: ("boss", "staff")}.get(number % 6, ())
    text = f"{query.text} {number}"
    source, title = f"filter-{number % 5}.md", f"Title {number % 5}"
    return Document(f"filter-{number}", text, source, title, digest="d", metadata=metadata, readers=readers)


def _index(subject: Subject, documents: Sequence[Document]) -> Any:
    return subject.call("index", collection=COLLECTION, documents=documents)
