"""Texts that exceed an embedding model's context."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from orbit.types import Notice

V = TypeVar("V")

_MUCH: Final = re.compile(
    r"too (long|large|many|big)|exceed|(longer|larger|greater) than|must have less than|reduce the length"
    r"|context (length|window|size|the overflows)|maximum (context|input|sequence|model|allowed|number)"
    r"|max(imum)? (allowed )?tokens|at most \d|batch size",
    re.IGNORECASE,
)
_SHARE_KEPT = 0.7
_CUTS = 24
"""Enough to cut a text to a five-thousandth: from a megabyte to the 200 characters that a small model reads."""


def too_much(said: str) -> bool:
    """Return whether a server's error means that a text or batch to embed is too large."""
    return _MUCH.search(said) is not None


async def embed_in_parts(
    texts: Sequence[str],
    embed: Callable[[Sequence[str]], Awaitable[Sequence[V] | None]],
    notices: list[Notice] | None = None,
) -> tuple[list[V], list[tuple[int, int]]]:
    """Embed texts that may exceed the server's limits, alone or as a batch.

    ``embed`` returns None for a batch that is too large. The batch is then halved; a single text is cut until it fits.

    Returns the vectors in the order of the texts, and for each cut text its length and the length kept, in characters.
    If the server rejects even the beginning of a text, the vectors are empty. ``notices`` is that of the context: it
    gets a notice for each cut text.
    """
    vectors = await embed(texts)
    if vectors is not None:
        return list(vectors), []
    if len(texts) > 1:
        half = len(texts) // 2
        first, cut_first = await embed_in_parts(texts[:half], embed, notices)
        if not first:
            return [], []
        second, cut_second = await embed_in_parts(texts[half:], embed, notices)
        return ([*first, *second], [*cut_first, *cut_second]) if second else ([], [])
    text, kept = texts[0], len(texts[0])
    for _ in range(_CUTS):
        kept = int(kept * _SHARE_KEPT)
        if not kept:
            break
        vectors = await embed([text[:kept]])
        if vectors is not None:
            if notices is not None:
                notices.append(Notice(text, f"the embedding model read only {kept} of {len(text)} characters"))
            return list(vectors), [(len(text), kept)]
    return [], []


def shortened_sentence(model: str, shortened: Sequence[tuple[int, int]]) -> str:
    """Return the log message about texts that ``embed_in_parts`` cut."""
    length, kept = min(shortened, key=lambda one: one[1] / one[0])
    if len(shortened) == 1:
        return f"{model} cannot read a text of {length} characters; ORBIT embedded only the first {kept}."
    return (
        f"{model} cannot read {len(shortened)} texts in full; ORBIT embedded only the beginning of each (of the "
        f"worst, {kept} of {length} characters)."
    )
