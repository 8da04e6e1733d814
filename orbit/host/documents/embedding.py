"""Embeds documents in pieces that each meet the deadline, however slow the model is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from orbit.errors import ProviderError
from orbit.host.calls.work import current_work
from orbit.host.documents.unfinished import Unfinished

if TYPE_CHECKING:
    from orbit.types import EmbedKind, Vectors

FIRST = 8
"""Texts in the first call, when nothing is known of the model's speed."""
MOST = 4_096
"""Texts in one call at most."""
PIECE_SECONDS = 2.0
"""Seconds that a call should take: progress shows that often, and a slow spell does not exceed the deadline."""
SLOW_SECONDS = 1.0
"""Embedding time after which an ingestion keeps its vectors on disk, in case it is interrupted."""
_GROWTH = 8
_BEGINNING = 80
"""Characters that tell which text an error is about."""


class Embedding:
    """Embeds passages for stores.

    A call has as many texts as the model embeds in a few seconds. Inside ``resumable``, what a slow model has embedded
    survives an interruption, also a killed process.
    """

    def __init__(self, folder: Path, seconds: float) -> None:
        """``folder`` keeps the vectors of interrupted work; ``seconds`` is the deadline of a call."""
        self._aim = min(PIECE_SECONDS, seconds / 4)
        self._seconds = seconds
        self._size = FIRST
        self._unfinished = Unfinished(folder / "unfinished.db")

    @asynccontextmanager
    async def resumable(self) -> AsyncIterator[None]:
        """Keep vectors on disk if embedding takes long, until this context ends without an error."""
        kept = _Kept()
        token = _KEPT.set(kept)
        try:
            yield
        finally:
            _KEPT.reset(token)
        if kept.keys:
            await asyncio.to_thread(self._unfinished.remove, list(kept.keys))

    async def embed(
        self, texts: Sequence[str], embedding: str, call: Callable[[Sequence[str]], Awaitable[Vectors]]
    ) -> Vectors:
        """Embed each text once with ``call``, piece by piece. ``embedding`` names the model. Raises ProviderError."""
        import numpy as np  # noqa: PLC0415  # only those who embed pay for it

        made = _MADE.get().get(embedding, {})
        left = list(dict.fromkeys(texts))
        found = {text: made[text] for text in left if text in made}
        left = [text for text in left if text not in found]
        kept = _KEPT.get()
        if kept is not None and self._unfinished.exists():
            stored = await asyncio.to_thread(self._unfinished.find, embedding, left)
            kept.keys |= {self._unfinished.key(embedding, text) for text in stored}
            found |= stored
            left = [text for text in left if text not in stored]
        _report(len(found))
        position = 0
        while position < len(left) or not found:
            begun = time.monotonic()
            vectors, count = await self._piece(left[position:], call, tries=2 if position else 1)
            if count == len(texts):  # the common case copies nothing
                _report(count)
                await self._check_sizes({vectors.shape[1]}, embedding)
                return vectors
            piece = left[position : position + count]
            position += count
            found.update(zip(piece, vectors, strict=True))
            if kept is not None:
                kept.seconds += time.monotonic() - begun
                if kept.seconds > SLOW_SECONDS:
                    kept.keys |= await asyncio.to_thread(self._unfinished.add, embedding, piece, vectors)
            _report(count)
        _report(len(texts) - len(found))
        await self._check_sizes({len(vector) for vector in found.values()}, embedding)
        return np.stack([found[text] for text in texts])

    async def _check_sizes(self, sizes: set[int], embedding: str) -> None:
        """Raise ProviderError if not all vectors of a call, or of an ingestion so far, have one size."""
        kept = _KEPT.get()
        if kept is not None:
            sizes |= kept.sizes.setdefault(embedding, set())
            kept.sizes[embedding] = sizes
        if len(sizes) > 1:
            if kept is not None:
                await asyncio.to_thread(self._unfinished.remove, list(kept.keys))
            given = " and ".join(map(str, sorted(sizes)))
            raise ProviderError(f"{embedding} gave vectors of {given} dimensions; was the model replaced? Try again.")

    async def _piece(
        self, texts: Sequence[str], call: Callable[[Sequence[str]], Awaitable[Vectors]], tries: int
    ) -> tuple[Vectors, int]:
        """Embed the first texts, as many as fit into a call. Return their vectors and their number.

        A call for a single text may time out ``tries`` times: a model that has just answered may hang once.
        """
        while True:
            piece = texts[: self._size]
            begun = time.monotonic()
            work = current_work()
            try:
                if work is None:
                    vectors = await call(piece)
                else:
                    with work.waiting(self._seconds):
                        vectors = await call(piece)
            except ProviderError as error:
                tries -= len(piece) <= 1
                if error.kind != "timeout" or not tries:
                    raise
                self._size = max(1, len(piece) // _GROWTH)
                continue
            if piece:
                wanted = int(len(piece) * self._aim / max(time.monotonic() - begun, 1e-6))
                full = len(piece) == self._size
                self._size = max(1, min(wanted, self._size * (_GROWTH if full else 1), MOST))
            return vectors, len(piece)


def vector_problem(texts: Sequence[str], vectors: Vectors, kind: EmbedKind) -> str:
    """Return which text has a vector that finds nothing, and why; empty if none has.

    A query may have a vector of zeros: it is like no text, which is no mistake of the model.
    """
    import numpy as np  # noqa: PLC0415  # only those who embed pay for it

    largest = np.abs(vectors).max(axis=1, initial=0)
    for row in map(int, np.flatnonzero(~((largest > 0) & np.isfinite(largest)))):
        what = "is all zeros" if largest[row] == 0 else "has NaN or infinite numbers"
        if largest[row] != 0 or (kind == "document" and texts[row].strip()):
            beginning = " ".join(texts[row][:_BEGINNING].split())
            return f"the vector of the text that begins {beginning!r} {what}; does the model run correctly?"
    return ""


@contextmanager
def already(made: Mapping[str, Mapping[str, Vectors]]) -> Iterator[None]:
    """Embed no text in the body whose vector is in ``made``: by model, as ``provider/model``, then by text."""
    token = _MADE.set(made)
    try:
        yield
    finally:
        _MADE.reset(token)


_MADE: ContextVar[Mapping[str, Mapping[str, Vectors]]] = ContextVar("orbit_made", default=MappingProxyType({}))


class _Kept:
    """One ingestion: the keys of its vectors on disk, the sizes of each model's vectors, and its seconds so far."""

    def __init__(self) -> None:
        self.keys: set[bytes] = set()
        self.sizes: dict[str, set[int]] = {}
        self.seconds = 0.0


_KEPT: ContextVar[_Kept | None] = ContextVar("orbit_kept", default=None)


def _report(passages: int) -> None:
    if passages and (work := current_work()) is not None:
        work.report(passages)
