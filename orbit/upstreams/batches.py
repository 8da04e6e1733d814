"""Embedding of many texts over HTTP, in concurrent batches."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from orbit.errors import OrbitError, ProviderError
from orbit.upstreams.embedding import embed_in_parts
from orbit.upstreams.failures import is_too_much

if TYPE_CHECKING:
    from orbit.types import Notice, Vectors

Rows: TypeAlias = Sequence[Sequence[float]]


async def embed_in_batches(
    texts: Sequence[str],
    embed: Callable[[Sequence[str]], Awaitable[Rows]],
    *,
    size: int,
    concurrency: int,
    dimension: int = 0,
    notices: list[Notice] | None = None,
) -> tuple[Vectors, list[tuple[int, int]]]:
    """Embed texts in batches of ``size``, ``concurrency`` at a time. Cut texts that the server rejects as too long.

    Returns float32 vectors of shape ``(len(texts), dimension)``, and for each cut text its length and the length kept,
    in characters. ``dimension`` only matters if there are no texts. ``notices`` is that of the
    context: it gets a notice for each cut text. Raises the first error of ``embed``.
    """
    import numpy as np  # noqa: PLC0415  # importing a plugin stays cheap

    if not texts:
        return np.zeros((0, dimension), dtype=np.float32), []
    batches = [texts[start : start + size] for start in range(0, len(texts), size)]
    shortened: list[tuple[int, int]] = []
    slots = asyncio.Semaphore(concurrency)

    async def one(batch: Sequence[str]) -> Vectors:
        async with slots:
            rows, cut = await _embed_batch(batch, embed, notices)
        shortened.extend(cut)
        return np.asarray(rows, dtype=np.float32)

    if len(batches) == 1:
        return await one(texts), shortened
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(batch)) for batch in batches]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    vectors = [task.result() for task in tasks]
    if len(sizes := sorted({rows.shape[1] for rows in vectors})) > 1:
        raise ProviderError(f"the server gave vectors of {' and '.join(map(str, sizes))} dimensions; try again.")
    return np.concatenate(vectors), shortened


async def _embed_batch(
    batch: Sequence[str], embed: Callable[[Sequence[str]], Awaitable[Rows]], notices: list[Notice] | None
) -> tuple[Rows, list[tuple[int, int]]]:
    """Return the vectors of a batch, and the lengths of the texts that were cut."""
    refusal: OrbitError | None = None

    async def attempt(texts: Sequence[str]) -> Rows | None:
        nonlocal refusal
        try:
            return await embed(texts)
        except OrbitError as error:
            if not is_too_much(error):
                raise
            refusal = error
            return None

    rows, shortened = await embed_in_parts(batch, attempt, notices)
    if not rows and refusal is not None:
        raise ProviderError(str(refusal)) from refusal
    return rows, shortened
