"""The contract of ``embed``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import pytest

from orbit import ProviderError
from orbit.testing.contract import calls
from orbit.testing.contract.promise import Promise, kind, told
from orbit.testing.contract.provider import BaseProviderContract
from orbit.testing.contract.samples import HUGE, UNICODE
from orbit.testing.contract.subject import Subject

_MANY: Final = 200
_UNEQUAL: Final = ((0, 0), (1, 0), (2, 0), (2, 1), (1, 3), (0, 2))
"""For each concurrent call, its texts as ``(start, count)``: ``texts[start:]``, then ``texts[:count]``."""
_ALIKE: Final = 0.99
"""Vectors with at least this cosine similarity are equal: engines round differently in batches than alone."""


class BaseEmbedContract(BaseProviderContract):
    """The contract of providers that embed texts."""

    @pytest.fixture
    def texts(self) -> Sequence[str]:
        """Return at least three texts with different meanings."""
        return ["How long is tea steeped?", "Coffee is ground before it is brewed.", "The train leaves at noon."]

    @pytest.fixture
    def tokens(self) -> tuple[str, Sequence[int]] | None:
        """Return a text and its ids in the model's vocabulary, for providers with ``embed_tokens``."""
        return None

    async def test_embed_is_offered(self, promise: Promise, subject: Subject) -> None:
        """The provider implements `embed` and, with these settings, offers it."""
        calls.offered(promise, subject, "embed")

    async def test_embed_returns_float32_rows(self, promise: Promise, subject: Subject, texts: Sequence[str]) -> None:
        """`embed` returns float32 of numpy, of shape (texts, dimension): finite numbers, and no row of zeros."""
        import numpy as np  # noqa: PLC0415  # only suites that test embedders need numpy

        vectors = await calls.answered(promise, lambda: _embed(subject, texts))
        mend = "return numpy.asarray(rows, dtype=numpy.float32)"
        if not isinstance(vectors, np.ndarray):
            promise.broken(f"it returned {kind(vectors)}", mend)
        if vectors.dtype != np.float32 or vectors.ndim != 2 or len(vectors) != len(texts) or not vectors.size:  # noqa: PLR2004  # a matrix
            promise.broken(f"it returned {vectors.dtype} of shape {vectors.shape} for {len(texts)} texts", mend)
        if not np.isfinite(vectors).all():
            promise.broken("there are NaN or infinite numbers", "raise orbit.ProviderError where a vector is none")
        if not vectors.any(axis=1).all():
            promise.broken("a row is all zeros", "raise orbit.ProviderError where a vector is none")

    async def test_embed_keeps_the_order(self, promise: Promise, subject: Subject, texts: Sequence[str]) -> None:
        """Each row is the vector of the text at its place, whatever the other texts are."""
        together = await calls.answered(promise, lambda: _embed(subject, texts))
        for number, text in enumerate(texts):
            (alone,) = await calls.answered(promise, partial(_embed, subject, [text]))
            if _cosine(alone, together[number]) < _ALIKE:
                promise.broken(
                    f"row {number} is not the vector that its text has alone", "keep rows in the order of the texts"
                )

    async def test_embed_tells_texts_apart(self, promise: Promise, subject: Subject, texts: Sequence[str]) -> None:
        """Texts that mean different things have different vectors, and the same text has the same."""
        first, second, again = await calls.answered(promise, lambda: _embed(subject, [*texts[:2], texts[0]]))
        if _cosine(first, again) < _ALIKE:
            promise.broken("one text got two vectors", "embed without chance")
        if _cosine(first, second) > 1 - 1e-6:
            promise.broken("two texts got one vector", "look whether the texts reach the model")

    async def test_embed_has_one_dimension(self, promise: Promise, subject: Subject, texts: Sequence[str]) -> None:
        """Questions (kind `query`) and documents have vectors of the same dimension."""
        query, document = [
            await calls.answered(promise, partial(subject.call, "embed", texts=texts, kind=kind))
            for kind in ("query", "document")
        ]
        if query.shape != document.shape:
            promise.broken(f"they have {query.shape[-1]} and {document.shape[-1]}", "use one model for both")

    async def test_embed_takes_no_texts(self, promise: Promise, subject: Subject) -> None:
        """No texts give an array without rows."""
        vectors = await calls.answered(promise, lambda: _embed(subject, []))
        if getattr(vectors, "ndim", 0) != 2 or len(vectors):  # noqa: PLR2004  # a matrix
            promise.broken(f"it returned {vectors!r}", "return numpy.zeros((0, dimension), dtype=numpy.float32)")

    async def test_embed_takes_any_text(self, promise: Promise, subject: Subject) -> None:
        """`embed` makes a vector of any text, or raises ProviderError: an empty one, a huge one, odd characters."""
        for text in ("", " ", UNICODE, "\0", HUGE):
            vectors = await calls.attempted(promise, partial(_embed, subject, [text]))
            if vectors is not None and (len(vectors) != 1 or not _finite(vectors)):
                promise.broken(f"of {text[:20]!r} it made {vectors!r}", "return a row of zeros, or raise ProviderError")

    async def test_embed_takes_many_texts(self, promise: Promise, subject: Subject) -> None:
        """`embed` takes any number of texts in one call."""
        texts = [f"This is passage number {number} of many." for number in range(_MANY)]
        vectors = await calls.answered(promise, lambda: _embed(subject, texts))
        if len(vectors) != _MANY:
            promise.broken(f"of {_MANY} texts it made {len(vectors)} vectors", "divide them into batches yourself")

    async def test_embed_leaves_texts_alone(self, promise: Promise, subject: Subject, texts: Sequence[str]) -> None:
        """`embed` does not change the list of texts."""
        given = list(texts)
        await calls.answered(promise, lambda: _embed(subject, given))
        calls.unchanged(promise, list(texts), given)

    async def test_embed_side_by_side(self, promise: Promise, subject: Subject, texts: Sequence[str]) -> None:
        """Concurrent calls do not affect each other."""
        invokes = [partial(_embed, subject, [*texts[number:], *texts[:count]]) for number, count in _UNEQUAL]
        await calls.side_by_side(promise, invokes, _alike)

    async def test_embed_can_be_cancelled(
        self, promise: Promise, subject: Subject, texts: Sequence[str], patience: float
    ) -> None:
        """A cancelled call ends at once, at any moment."""
        await calls.cancelled(promise, lambda: _embed(subject, texts), patience)

    async def test_embed_keeps_deadlines(
        self, promise: Promise, subject: Subject, texts: Sequence[str], patience: float
    ) -> None:
        """A call past its deadline ends: cancelled, or with a ProviderError."""
        await calls.ended_in_time(
            promise, lambda context: subject.call("embed", context, texts=texts, kind="query"), patience
        )

    async def test_embed_leaves_the_loop_free(self, promise: Promise, subject: Subject) -> None:
        """`embed` does not block the event loop."""
        texts = [f"This is passage number {number} of many." for number in range(_MANY)]
        await calls.shared_loop(promise, lambda: _embed(subject, texts))

    async def test_embed_leaves_nothing_running(
        self, promise: Promise, subject: Subject, texts: Sequence[str], patience: float
    ) -> None:
        """Nothing keeps running after the call."""
        await calls.left_alone(promise, lambda: _embed(subject, texts), patience)

    async def test_embed_tokens_is_embed_of_their_text(
        self, promise: Promise, subject: Subject, tokens: tuple[str, Sequence[int]] | None
    ) -> None:
        """Token ids have the vector of their text, if the provider implements `embed_tokens`."""
        if not subject.implements("embed_tokens"):
            promise.untold("since the provider takes only text")
        if tokens is None:
            promise.untold("since the fixture tokens is None")
        text, ids = tokens
        (expected,) = await calls.answered(promise, lambda: _embed(subject, [text]))
        first, second = await calls.answered(promise, lambda: _embed_tokens(subject, ids, ids))
        if min(_cosine(first, expected), _cosine(second, expected)) < _ALIKE:
            promise.broken("another vector came", "decode the ids with the model's own tokenizer, and embed the text")

    async def test_embed_tokens_refuses_other_vocabularies(self, promise: Promise, subject: Subject) -> None:
        """Ids that are not of the model's vocabulary raise a ProviderError of kind `rejected`."""
        if not subject.implements("embed_tokens"):
            promise.untold("since the provider takes only text")
        try:
            vectors = await _embed_tokens(subject, [2**31 - 1] * 3)
        except ProviderError as error:
            if error.kind != "rejected" or error.option != "tokens":
                promise.broken(
                    f"the error has kind='{error.kind}' and option='{error.option}'",
                    'raise it with kind="rejected" and option="tokens", as orbit.text_of_tokens does',
                )
            return
        except Exception as error:  # noqa: BLE001  # plugin code can raise anything
            promise.broken(f"the call raised {told(error)}", "check the ids with orbit.text_of_tokens")
        promise.broken(f"the call returned {kind(vectors)}", "check the ids with orbit.text_of_tokens")

    async def test_embed_while_down(self, promise: Promise, down: Subject, texts: Sequence[str]) -> None:
        """While its service is down, `embed` raises a retryable ProviderError of kind `unavailable`."""
        await calls.told_of_the_outage(promise, lambda: _embed(down, texts))


def _embed(subject: Subject, texts: Sequence[str]) -> Any:
    return subject.call("embed", texts=texts, kind="document")


def _embed_tokens(subject: Subject, *tokens: Sequence[int]) -> Any:
    return subject.call("embed_tokens", tokens=tokens)


def _cosine(one: Any, other: Any) -> float:
    import numpy as np  # noqa: PLC0415  # only suites that test embedders need numpy

    if one.shape != other.shape:
        return -1.0
    length = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(np.dot(one, other)) / length if length else 1.0


def _alike(one: Any, other: Any) -> bool:
    return len(one) == len(other) and all(_cosine(*rows) > _ALIKE for rows in zip(one, other, strict=True))


def _finite(vectors: Any) -> bool:
    import numpy as np  # noqa: PLC0415  # only suites that test embedders need numpy

    return bool(np.isfinite(vectors).all())
