"""Joins the passages that answer with those beside them in their sources."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from orbit.chat.prompt.joining import joined
from orbit.chat.search.duplicates import Kept
from orbit.chat.search.permitted import permitted
from orbit.chat.turn import Turn
from orbit.errors import OrbitError
from orbit.host.calls.calls import attributed, call, is_list_of, wrong_type
from orbit.host.providers.registry import Registry
from orbit.types import Document


class Neighbours:
    """The stores of a host that can list a source's passages."""

    def __init__(
        self, registry: Registry, count: int, seconds: float, failed: Callable[[str, OrbitError], None]
    ) -> None:
        """``count`` neighbours are joined on each side; ``seconds`` is the deadline of a store."""
        self._count = count
        self._seconds = seconds
        self._failed = failed
        able = registry.callers("list_passages") if count else {}
        self._stores = {name: (caller, registry[name].default_collection()) for name, caller in able.items()}

    async def join(self, documents: list[Document], turn: Turn) -> list[Document]:
        """Return documents with their neighbours; those of which no store knows the source as they are.

        A neighbour that is among the documents, or belongs to a better one, is not repeated, nor is a copy of either.
        """
        sources = list(dict.fromkeys(document.source for document in documents if document.source))
        sides: dict[str, tuple[list[Document], list[Document]]] = {}
        for name, (caller, default) in self._stores.items() if sources else ():
            if not (collection := turn.context.collection or default):
                continue
            invoke = partial(caller, collection=collection, sources=sources, context=turn.context)
            try:
                listed = await call(name, "list_passages", invoke, self._seconds)
                if not is_list_of(listed, Document):
                    raise wrong_type(name, "list_passages", "a list of Documents", listed)
            except OrbitError as error:
                self._failed("answering without neighbours", attributed(error, name, "list_passages"))
                continue
            if sides := self._sides(documents, listed, turn):
                break
        return [joined(one, *sides[one.id]) if one.id in sides else one for one in documents]

    def _sides(
        self, documents: Sequence[Document], listed: Sequence[Document], turn: Turn
    ) -> dict[str, tuple[list[Document], list[Document]]]:
        """Return what comes before and after each document, by its id, up to what the turn may not find."""
        may = {passage.id for passage in permitted(turn, listed)}
        places = {passage.id: place for place, passage in enumerate(listed)}
        given = {document.id for document in documents}
        kept = Kept(turn.question)
        for document in documents:
            kept.adds(document)
        sides: dict[str, tuple[list[Document], list[Document]]] = {}
        for document in documents:
            if document.id not in places:
                continue
            found: list[list[Document]] = []
            for step in (-1, 1):
                side: list[Document] = []
                place = places[document.id] + step
                while len(side) < self._count and 0 <= place < len(listed):
                    passage = listed[place]
                    if passage.source != document.source or passage.id in given or passage.id not in may:
                        break
                    if not kept.adds(passage):
                        break
                    given.add(passage.id)
                    side.append(passage)
                    place += step
                found.append(side)
            sides[document.id] = found[0][::-1], found[1]
        return sides
