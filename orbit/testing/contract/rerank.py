"""The contract of ``rerank``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import msgspec

from orbit import CallContext, Document, Query
from orbit.testing.contract import calls
from orbit.testing.contract.passages import PassageFixtures, are_documents, are_in_order
from orbit.testing.contract.promise import Promise
from orbit.testing.contract.provider import BaseProviderContract
from orbit.testing.contract.samples import HUGE, UNICODE
from orbit.testing.contract.subject import Subject

_LIMIT: Final = 10
_MANY: Final = 50


class BaseRerankContract(PassageFixtures, BaseProviderContract):
    """The contract of providers that rerank passages."""

    async def test_rerank_is_offered(self, promise: Promise, subject: Subject) -> None:
        """The provider implements `rerank` and, with these settings, offers it."""
        calls.offered(promise, subject, "rerank")

    async def test_rerank_returns_documents(
        self, promise: Promise, subject: Subject, documents: Sequence[Document], query: Query
    ) -> None:
        """`rerank` returns a list of orbit.Document, each once."""
        are_documents(promise, await calls.answered(promise, lambda: _rerank(subject, query, documents)))

    async def test_rerank_invents_nothing(
        self, promise: Promise, subject: Subject, documents: Sequence[Document], query: Query
    ) -> None:
        """`rerank` returns documents that it was given, unchanged except for the score."""
        given = {document.id: document for document in documents}
        ranked = await calls.answered(promise, lambda: _rerank(subject, query, documents))
        for document in ranked:
            same = given.get(document.id)
            if same is None or msgspec.structs.replace(document, score=same.score) != same:
                promise.broken(
                    f"it returned {document}", "return the documents themselves, or replace their score only"
                )
        if documents and not ranked:
            promise.broken("it returned none of them", "return the best, whatever their scores")

    async def test_rerank_keeps_to_the_limit(
        self, promise: Promise, subject: Subject, documents: Sequence[Document], query: Query
    ) -> None:
        """`rerank` returns at most `limit` documents."""
        for limit in (1, 2):
            ranked = await calls.answered(promise, partial(_rerank, subject, query, documents, limit))
            if len(ranked) > limit:
                promise.broken(f"with limit={limit} it returned {len(ranked)}", "cut the list: ranked[:limit]")

    async def test_rerank_puts_the_best_first(
        self, promise: Promise, subject: Subject, documents: Sequence[Document], query: Query
    ) -> None:
        """Scores that `rerank` gives are from 0 to 1, and the best comes first."""
        unscored = [msgspec.structs.replace(document, score=None) for document in documents]
        are_in_order(promise, await calls.answered(promise, lambda: _rerank(subject, query, unscored)))

    async def test_rerank_takes_few_documents(
        self, promise: Promise, subject: Subject, documents: Sequence[Document], query: Query
    ) -> None:
        """`rerank` takes no documents, and a single one, and returns them."""
        for given in ([], list(documents[:1])):
            ranked = await calls.answered(promise, partial(_rerank, subject, query, given))
            if [document.id for document in ranked] != [document.id for document in given]:
                promise.broken(f"of {len(given)} it returned {len(ranked)}", "return them as they are")

    async def test_rerank_takes_anything(self, promise: Promise, subject: Subject, query: Query) -> None:
        """`rerank` takes many documents, huge ones and odd ones, or raises ProviderError."""
        many = [Document(f"many-{number}", f"This is passage {number} of many.") for number in range(_MANY)]
        for given in (many, [Document("huge", HUGE), Document("odd", UNICODE), Document("nul", "\0")]):
            await calls.attempted(promise, partial(_rerank, subject, query, given))
        for text in ("", UNICODE, HUGE):
            asked = msgspec.structs.replace(query, text=text)
            await calls.attempted(promise, partial(_rerank, subject, asked, many[:3]))

    async def test_rerank_leaves_documents_alone(
        self, promise: Promise, subject: Subject, documents: Sequence[Document], query: Query
    ) -> None:
        """`rerank` does not change the list that it is given."""
        given = list(documents)
        await calls.answered(promise, lambda: _rerank(subject, query, given))
        calls.unchanged(promise, list(documents), given)

    async def test_rerank_side_by_side(
        self, promise: Promise, subject: Subject, documents: Sequence[Document], query: Query
    ) -> None:
        """Concurrent calls do not affect each other."""
        turned = [[*documents[number:], *documents[:number]] for number in range(len(documents))]
        invokes = [partial(_rerank, subject, query, given) for given in (*turned, *turned)]
        await calls.side_by_side(
            promise, invokes, lambda one, other: [item.id for item in one] == [item.id for item in other]
        )

    async def test_rerank_can_be_cancelled(
        self, promise: Promise, subject: Subject, documents: Sequence[Document], query: Query, patience: float
    ) -> None:
        """A cancelled call ends at once, at any moment."""
        await calls.cancelled(promise, lambda: _rerank(subject, query, documents), patience)

    async def test_rerank_keeps_deadlines(
        self, promise: Promise, subject: Subject, documents: Sequence[Document], query: Query, patience: float
    ) -> None:
        """A call past its deadline ends: cancelled, or with a ProviderError."""

        def ask(context: CallContext) -> Any:
            return subject.call("rerank", context, query=query, documents=documents, limit=_LIMIT)

        await calls.ended_in_time(promise, ask, patience)

    async def test_rerank_leaves_the_loop_free(
        self, promise: Promise, subject: Subject, documents: Sequence[Document], query: Query
    ) -> None:
        """`rerank` does not block the event loop."""
        await calls.shared_loop(promise, lambda: _rerank(subject, query, documents))

    async def test_rerank_leaves_nothing_running(
        self, promise: Promise, subject: Subject, documents: Sequence[Document], query: Query, patience: float
    ) -> None:
        """Nothing keeps running after the call."""
        await calls.left_alone(promise, lambda: _rerank(subject, query, documents), patience)

    async def test_rerank_while_down(
        self, promise: Promise, down: Subject, documents: Sequence[Document], query: Query
    ) -> None:
        """While its service is down, `rerank` raises a retryable ProviderError of kind `unavailable`."""
        await calls.told_of_the_outage(promise, lambda: _rerank(down, query, documents))


def _rerank(subject: Subject, query: Query, documents: Sequence[Document], limit: int = _LIMIT) -> Any:
    return subject.call("rerank", query=query, documents=documents, limit=limit)
