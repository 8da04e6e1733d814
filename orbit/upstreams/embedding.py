"""Texts that are more than an embedding model reads."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

V = TypeVar("V")

_MUCH: Final = re.compile(
    r"too (long|large|many|big)|exceed|(longer|larger|greater) than|must have less than|reduce the length"
    r"|context (length|window|size|the overflows)|maximum (context|input|sequence|model|allowed|number)"
    r"|max(imum)? (allowed )?tokens",
    re.IGNORECASE,
)
_SHARE_KEPT = 0.7
_CUTS = 24
"""To a five-thousandth: a text of a megabyte for a model that reads 200 characters."""


def too_much(said: str) -> bool:
    """Tell whether an error of a server says that a text or a batch to embed is too large."""
    return _MUCH.search(said) is not None


async def embed_in_parts(
    texts: Sequence[str], embed: Callable[[Sequence[str]], Awaitable[Sequence[V] | None]]
) -> tuple[list[V], list[tuple[int, int]]]:
    """Embed texts of which some may be more than a server takes, at once or at all.

    ``embed`` returns None for a batch that is too much. It is halved then; a single text is shortened until it fits.
    Returns the vectors in the order of the texts, and of each shortened text its characters and how many were kept.
    A text of which not even the beginning is taken gives None again, and the vectors are empty.
    """
    vectors = await embed(texts)
    if vectors is not None:
        return list(vectors), []
    if len(texts) > 1:
        half = len(texts) // 2
        first, cut_first = await embed_in_parts(texts[:half], embed)
        if not first:
            return [], []
        second, cut_second = await embed_in_parts(texts[half:], embed)
        return ([*first, *second], [*cut_first, *cut_second]) if second else ([], [])
    text, kept = texts[0], len(texts[0])
    for _ in range(_CUTS):
        kept = int(kept * _SHARE_KEPT)
        if not kept:
            break
        vectors = await embed([text[:kept]])
        if vectors is not None:
            return list(vectors), [(len(text), kept)]
    return [], []


def shortened_sentence(model: str, shortened: Sequence[tuple[int, int]]) -> str:
    """Return what to log of texts that ``embed_in_parts`` shortened."""
    length, kept = min(shortened, key=lambda one: one[1] / one[0])
    if len(shortened) == 1:
        return f"{model} reads less than a text of {length} characters; the first {kept} were embedded."
    return (
        f"{model} reads less than {len(shortened)} texts have; only the beginning of each was embedded "
        f"(of the worst, {kept} of {length} characters)."
    )
