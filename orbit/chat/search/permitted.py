"""The passages that a turn may find: those that its filter and the groups of its key allow."""

from __future__ import annotations

from collections.abc import Sequence

from orbit.chat.turn import Turn
from orbit.filters import allowed
from orbit.types import Document, Query


def query_of(turn: Turn, text: str, *, compared: bool = False) -> Query:
    """Return the search of a turn for a text."""
    context = turn.context
    return Query(text, context.collection, turn.history, compared, turn.filter, context.groups)


def permitted(turn: Turn, documents: Sequence[Document]) -> Sequence[Document]:
    """Return the passages that a turn may find, whatever a plugin returned."""
    if turn.filter is None and not any(document.readers for document in documents):
        return documents
    query = query_of(turn, turn.question)
    return [document for document in documents if allowed(document, query)]
