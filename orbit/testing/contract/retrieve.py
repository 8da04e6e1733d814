"""The contract of ``retrieve``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

import msgspec
import pytest
import pytest_asyncio

from orbit import CallContext, Document, Query
from orbit.host.host import OrbitHost
from orbit.testing.contract import calls
from orbit.testing.contract.passages import COLLECTION, PassageFixtures, are_documents, are_in_order
from orbit.testing.contract.promise import Promise
from orbit.testing.contract.provider import BaseProviderContract
from orbit.testing.contract.samples import HUGE, UNICODE
from orbit.testing.contract.subject import CONTEXT, Subject

Load: TypeAlias = Callable[[OrbitHost, Sequence[Document]], Awaitable[None]]
"""Stores documents where a retriever finds them."""

_LIMIT: Final = 10


class BaseRetrieveContract(PassageFixtures, BaseProviderContract):
    """The contract of providers that retrieve passages."""

    @pytest.fixture
    def load(self) -> Load:
        """Return a function that stores ``documents`` where the provider finds them: by default in the host's store.

        If the provider has its own documents, or another fixture fills its service, override ``query``, and override
        this fixture to store nothing.
        """

        async def index(host: OrbitHost, documents: Sequence[Document]) -> None:
            if host.roles.index:
                await host.index(COLLECTION, documents, CONTEXT)

        return index

    @pytest_asyncio.fixture(loop_scope="function")
    async def loaded(self, promise: Promise, subject: Subject, load: Load, documents: Sequence[Document]) -> Subject:
        """Return the started provider with the documents stored."""
        await calls.answered(promise, lambda: load(subject.host, documents))
        return subject

    async def test_retrieve_is_offered(self, promise: Promise, subject: Subject) -> None:
        """The provider implements `retrieve` and, with these settings, offers it."""
        calls.offered(promise, subject, "retrieve")

    async def test_retrieve_returns_documents(self, promise: Promise, loaded: Subject, query: Query) -> None:
        """`retrieve` returns a list of orbit.Document, each with an id of its own and text."""
        found = await calls.answered(promise, lambda: _retrieve(loaded, query))
        are_documents(promise, found)

    async def test_retrieve_finds_what_there_is(self, promise: Promise, loaded: Subject, query: Query) -> None:
        """`retrieve` finds the documents that a question is about."""
        found = await calls.answered(promise, lambda: _retrieve(loaded, query))
        if len(found) < 2:  # noqa: PLR2004  # the fixture promises at least two
            promise.broken(
                f"{len(found)} came for {query.text!r}", "look at the fixtures load and query, or at the search"
            )

    async def test_retrieve_keeps_to_the_limit(self, promise: Promise, loaded: Subject, query: Query) -> None:
        """`retrieve` returns at most `limit` documents, the best of those that it would return with a higher one."""
        many = await calls.answered(promise, lambda: _retrieve(loaded, query))
        one = await calls.answered(promise, lambda: _retrieve(loaded, query, 1))
        if len(one) > 1:
            promise.broken(f"with limit=1 it returned {len(one)}", "cut the list: found[:limit]")
        best = [document for document in many if document.score == many[0].score] if many else []
        if many and (not one or one[0].id not in {document.id for document in best}):
            first = one[0].id if one else "nothing"
            promise.broken(f"the best of several is {many[0].id!r}, alone it is {first!r}", "sort before you cut")

    async def test_retrieve_puts_the_best_first(self, promise: Promise, loaded: Subject, query: Query) -> None:
        """Scores, if given, are from 0 to 1, and the best comes first."""
        are_in_order(promise, await calls.answered(promise, lambda: _retrieve(loaded, query)))

    async def test_retrieve_takes_any_question(self, promise: Promise, loaded: Subject, query: Query) -> None:
        """`retrieve` returns a list for any question, or raises ProviderError: an empty, huge or odd one."""
        for text in ("", " ", UNICODE, 'AND OR ("*:\\', "\0", "xyzzy plugh", HUGE):
            asked = msgspec.structs.replace(query, text=text)
            found = await calls.attempted(promise, partial(_retrieve, loaded, asked))
            if found is not None:
                are_documents(promise, found)

    async def test_retrieve_keeps_collections_apart(
        self, promise: Promise, loaded: Subject, documents: Sequence[Document], query: Query
    ) -> None:
        """A question of one collection finds nothing of another."""
        if not loaded.implements("index"):
            promise.untold("since the provider is no store")
        other = Document("contract-other-1", f"{documents[0].text} This is of another collection.", "other.md")
        await calls.answered(promise, lambda: loaded.call("index", collection="contract-other", documents=[other]))
        found = await calls.answered(promise, lambda: _retrieve(loaded, query, 50))
        if any(document.id == other.id for document in found):
            promise.broken(f"a question of {query.collection!r} found one of 'contract-other'", "filter by collection")
        elsewhere = msgspec.structs.replace(query, collection="contract-other")
        found = await calls.answered(promise, lambda: _retrieve(loaded, elsewhere, 50))
        if [document.id for document in found] != [other.id]:
            ids = ", ".join(document.id for document in found) or "nothing"
            promise.broken(f"a question of 'contract-other' found {ids}", "look up query.collection")

    async def test_retrieve_takes_unknown_collections(self, promise: Promise, loaded: Subject, query: Query) -> None:
        """A collection that does not exist is an empty list or a ProviderError."""
        absent = msgspec.structs.replace(query, collection="contract-absent")
        found = await calls.attempted(promise, lambda: _retrieve(loaded, absent))
        if found is not None:
            are_documents(promise, found)

    async def test_retrieve_side_by_side(
        self, promise: Promise, loaded: Subject, query: Query, documents: Sequence[Document]
    ) -> None:
        """Concurrent calls do not affect each other."""
        asked = [query, *(msgspec.structs.replace(query, text=document.text) for document in documents)]
        invokes = [partial(_retrieve, loaded, one) for one in (*asked, *asked)]
        await calls.side_by_side(promise, invokes, _same_documents)

    async def test_retrieve_can_be_cancelled(
        self, promise: Promise, loaded: Subject, query: Query, patience: float
    ) -> None:
        """A cancelled call ends at once, at any moment."""
        await calls.cancelled(promise, lambda: _retrieve(loaded, query), patience)

    async def test_retrieve_keeps_deadlines(
        self, promise: Promise, loaded: Subject, query: Query, patience: float
    ) -> None:
        """A call past its deadline ends: cancelled, or with a ProviderError."""

        def ask(context: CallContext) -> Any:
            return loaded.call("retrieve", context, query=query, limit=_LIMIT)

        await calls.ended_in_time(promise, ask, patience)

    async def test_retrieve_leaves_the_loop_free(self, promise: Promise, loaded: Subject, query: Query) -> None:
        """`retrieve` does not block the event loop."""
        await calls.shared_loop(promise, lambda: _retrieve(loaded, query))

    async def test_retrieve_leaves_nothing_running(
        self, promise: Promise, loaded: Subject, query: Query, patience: float
    ) -> None:
        """Nothing keeps running after the call."""
        await calls.left_alone(promise, lambda: _retrieve(loaded, query), patience)

    async def test_retrieve_while_down(self, promise: Promise, down: Subject, query: Query) -> None:
        """While its service is down, `retrieve` raises a retryable ProviderError of kind `unavailable`."""
        await calls.told_of_the_outage(promise, lambda: _retrieve(down, query))


def _retrieve(subject: Subject, query: Query, limit: int = _LIMIT) -> Any:
    return subject.call("retrieve", query=query, limit=limit)


def _same_documents(one: Sequence[Document], other: Sequence[Document]) -> bool:
    return [document.id for document in one] == [document.id for document in other]
