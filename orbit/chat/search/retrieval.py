"""Document search: asks the retrievers, merges their lists and has the result reranked."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from orbit.chat.journal import Journal
from orbit.chat.search.duplicates import distinct
from orbit.chat.search.fusion import fuse, fuse_scores, relative
from orbit.chat.search.neighbours import Neighbours
from orbit.chat.search.permitted import permitted, query_of
from orbit.chat.search.questions import is_follow_up, questions_of
from orbit.chat.search.relevance import THRESHOLD, Relevance
from orbit.chat.search.rewriting import Rewriter
from orbit.chat.search.typed_question import as_typed, brings_passages
from orbit.chat.turn import Turn
from orbit.config.model import RetrievalSettings, Timeouts
from orbit.errors import OrbitError, PromptTooLong, ProviderError
from orbit.host.calls.calls import Outcome, attributed, call, fan_out, is_list_of, lacks_collection, leaf_of, wrong_type
from orbit.host.providers.registry import Registry
from orbit.types import Document

_SHORTEST = 200
"""Characters that a question is cut to at the shortest, before a search for it fails."""


class Retrieval:
    """The retrievers and rerankers of a host."""

    def __init__(
        self,
        registry: Registry,
        settings: RetrievalSettings,
        timeouts: Timeouts,
        failed: Callable[[str, OrbitError], None],
        embedder: str = "",
        rewriter: Rewriter | None = None,
    ) -> None:
        """``failed`` reports a consequence and its error to operators. ``embedder`` is the embedding provider."""
        self._rewriter = rewriter
        self._settings = settings
        self._timeouts = timeouts
        self._failed = failed
        self._retrievers = registry.callers("retrieve")
        self._rerankers = registry.callers("rerank")
        self._relevance = Relevance.of(registry, settings, embedder)
        self._neighbours = Neighbours(registry, settings.expand, timeouts.retrieve, failed)
        self._defaults = [registry[name].default_collection() for name in self._retrievers]
        self.available = bool(self._retrievers)
        self.has_certainty = self._relevance is not None
        """Whether the scores of all retrievers are known, so that the best passage's is the certainty of an answer."""
        self._has_default = any(self._defaults)

    def responds(self, turn: Turn) -> bool:
        """Return whether the fixed text answers if a search finds nothing.

        The turn must search a collection. A client with tools or passages of its own gets the model, because they may
        have the answer.
        """
        choice = turn.options.tool_choice
        if (turn.options.tools and not (choice is not None and choice.mode == "none")) or brings_passages(turn):
            return False
        searched = turn.context.collection or self._has_default
        return bool(searched) and self._settings.on_nothing_found == "respond"

    def require(self, turn: Turn) -> None:
        """Raise ProviderError if the turn's key has a collection that nobody can search.

        Unless ``retrieval.on_error`` says otherwise: a model that is given no documents would make up an answer.
        """
        if self.available or not turn.context.collection:
            return
        sentence = (
            f"the collection '{turn.context.collection}' cannot be searched: no provider that retrieves is running; "
            "enable one, for example with 'chroma:'."
        )
        error = ProviderError(sentence, kind="not_found", operation="retrieve")
        if self._settings.on_error == "refuse":
            raise error
        self._failed("answering without its documents", error)

    async def search(self, turn: Turn) -> list[Document]:
        """Return the passages for a question, best first, as its prompt would have them. Raises ProviderError."""
        journal = Journal(turn)
        self.require(turn)
        found = await self.retrieve(turn, journal)
        return await self.rerank(turn, found, journal) if found else []

    async def retrieve(self, turn: Turn, journal: Journal, *, doubtful: bool = False) -> list[Document] | None:
        """Return the documents for a question, best first; None if every retriever failed. Raises ProviderError.

        With ``doubtful``, also those below the threshold.
        """
        turn = as_typed(turn)
        started = time.perf_counter()
        compared = self._relevance is not None
        rewritten = await self._rewriter.rewritten(turn) if self._rewriter and is_follow_up(turn) else ""
        outcomes: list[Outcome[Any]] = await fan_out(
            "retrieve",
            [
                (name, partial(_found, caller, text, self._settings.limit, turn, compared))
                for text in questions_of(turn, rewritten)
                for name, caller in self._retrievers.items()
            ],
            self._timeouts.retrieve,
        )
        journal.took("retrieve", started)
        searches: list[dict[str, Sequence[Document]]] = [{} for _ in range(0, len(outcomes), len(self._retrievers))]
        answered: set[str] = set()
        elsewhere = any(outcome.error is None for outcome in outcomes)
        # Outcomes of the question come first, then those of the question with its context.
        for place, outcome in enumerate(outcomes):
            error = outcome.error
            if elsewhere and lacks_collection(error, "retrieve"):
                continue  # the collection is in another store
            if error is None and not is_list_of(outcome.value, Document):
                error = wrong_type(outcome.provider, "retrieve", "a list of Documents", outcome.value)
            if error is None:
                found = permitted(turn, outcome.value or ())
                searches[place // len(self._retrievers)][outcome.provider] = found
                answered.add(outcome.provider)
            elif outcome.provider in answered:
                self._failed("searching for the question alone", _of_provider(error, outcome.provider, "retrieve"))
            elif self._settings.on_error == "refuse":
                raise _of_provider(error, outcome.provider, "retrieve")
            else:
                self._failed("answering without its documents", _of_provider(error, outcome.provider, "retrieve"))
        return self._merged(searches, turn, doubtful=doubtful) if any(searches) else None

    def _merged(
        self, searches: Sequence[Mapping[str, Sequence[Document]]], turn: Turn, *, doubtful: bool
    ) -> list[Document]:
        """Return the documents, best first; none if they are not good enough. ``searches`` has the lists of each text.

        The score of the best one is the certainty that it answers, and those of others are relative to it.
        """
        relevance = self._relevance
        if relevance is None:
            return distinct(fuse([found for search in searches for found in search.values()]), turn.question)
        question, limit = turn.question, self._settings.limit
        ranked = fuse_scores(searches, relevance, limit, question)
        first = ranked[0].text if ranked else ""
        certainty = max(relevance.certainty(found, question, limit, first) for found in searches)
        if certainty < self._threshold(turn) and not doubtful:
            return []
        return distinct(relative(ranked, certainty), turn.question)

    def _threshold(self, turn: Turn) -> float:
        collection = turn.context.collection or next(filter(None, self._defaults), "")
        general = THRESHOLD if self._settings.threshold is None else self._settings.threshold
        return self._settings.thresholds.get(collection, general)

    async def rerank(self, turn: Turn, documents: list[Document], journal: Journal) -> list[Document]:
        """Return the best documents, in the order of the last reranker that did not fail, with their neighbours."""
        turn = as_typed(turn)
        limit = self._settings.max_documents
        query = query_of(turn, turn.question)
        started = time.perf_counter()
        for name, caller in self._rerankers.items():
            invoke = partial(caller, query=query, documents=documents, limit=limit, context=turn.context)
            try:
                ranked = await call(name, "rerank", invoke, self._timeouts.rerank)
                if not is_list_of(ranked, Document):
                    raise wrong_type(name, "rerank", "a list of Documents", ranked)
            except OrbitError as error:
                self._failed("keeping the retrieved order", _of_provider(error, name, "rerank"))
            else:
                documents = list(permitted(turn, ranked))
        if self._rerankers:
            journal.took("rerank", started)
        return await self._neighbours.join(documents[:limit], turn)


async def _found(caller: Callable[..., Any], text: str, limit: int, turn: Turn, compared: bool) -> Any:
    """Search for ``text``; for its beginning if it is too long for the model that embeds it."""
    while True:
        query = query_of(turn, text, compared=compared)
        try:
            return await caller(query=query, limit=limit, context=turn.context)
        except (PromptTooLong, ExceptionGroup) as error:
            if not isinstance(leaf_of(error), PromptTooLong) or text != turn.question[: len(text)]:
                raise
            if len(text) <= _SHORTEST:
                raise
            text = text[: max(_SHORTEST, len(text) // 2)]


def _of_provider(error: OrbitError, provider: str, operation: str) -> ProviderError:
    """Return the error of a search: a text that is too long for a part of it is not the client's to shorten."""
    if isinstance(error, PromptTooLong):
        return ProviderError(f"the text is too long for it: {error}", provider=provider, operation=operation)
    return attributed(error, provider, operation)
