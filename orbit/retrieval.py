"""Finding documents: asking the retrievers, making one list of theirs, and having it reranked."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from orbit.config.model import Retrieval as RetrievalSettings
from orbit.config.model import Timeouts
from orbit.errors import OrbitError, ProviderError
from orbit.fusion import fuse
from orbit.plugins.calls import Outcome, call, fan_out, is_list_of, wrong_type
from orbit.plugins.registry import Registry
from orbit.turn import Journal, Turn, questions_of
from orbit.types import Document, Query


class Retrieval:
    """The retrievers and rerankers of a host."""

    def __init__(
        self,
        registry: Registry,
        settings: RetrievalSettings,
        timeouts: Timeouts,
        failed: Callable[[str, OrbitError], None],
    ) -> None:
        """``failed`` is told consequences and errors."""
        self._settings = settings
        self._timeouts = timeouts
        self._failed = failed
        self._retrievers = registry.callers("retrieve")
        self._rerankers = registry.callers("rerank")
        self.available = bool(self._retrievers)

    async def retrieve(self, turn: Turn, journal: Journal) -> list[Document] | None:
        """The documents for a question, best first; None if all that was asked failed. Raises ProviderError."""
        started = time.perf_counter()
        queries = [Query(text, turn.context.collection, turn.history) for text in questions_of(turn)]
        outcomes: list[Outcome[Any]] = await fan_out(
            "retrieve",
            [
                (name, partial(caller, query=query, limit=self._settings.limit, context=turn.context))
                for query in queries
                for name, caller in self._retrievers.items()
            ],
            self._timeouts.retrieve,
        )
        journal.took("retrieve", started)
        lists: list[Sequence[Document]] = []
        elsewhere = any(outcome.error is None for outcome in outcomes)
        for outcome in outcomes:
            error = outcome.error
            if error is not None and error.kind == "not_found" and elsewhere:
                continue  # the collection is in another store
            if error is None and not is_list_of(outcome.value, Document):
                error = wrong_type(outcome.provider, "retrieve", "a list of Documents", outcome.value)
            if error is None:
                lists.append(outcome.value or ())
            elif self._settings.on_error == "refuse":
                raise error
            else:
                self._failed("answering without its documents", error)
        return fuse(lists) if lists else None

    async def rerank(self, turn: Turn, documents: list[Document], journal: Journal) -> list[Document]:
        """The best documents, in the order of the last reranker that did not fail."""
        limit = self._settings.max_documents
        query = Query(turn.question, turn.context.collection, turn.history)
        started = time.perf_counter()
        for name, caller in self._rerankers.items():
            invoke = partial(caller, query=query, documents=documents, limit=limit, context=turn.context)
            try:
                ranked = await call(name, "rerank", invoke, self._timeouts.rerank)
                if not is_list_of(ranked, Document):
                    raise wrong_type(name, "rerank", "a list of Documents", ranked)
            except ProviderError as error:
                self._failed("keeping the retrieved order", error)
            else:
                documents = list(ranked)
        if self._rerankers:
            journal.took("rerank", started)
        return documents[:limit]
