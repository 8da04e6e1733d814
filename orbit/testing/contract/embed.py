"""The contract of ``embed``."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from orbit.testing.contract.promise import Promise, kind
from orbit.testing.contract.provider import ProviderContract
from orbit.testing.contract.subject import Subject


class BaseEmbedContract(ProviderContract):
    """For providers that make vectors of texts."""

    @pytest.fixture
    def texts(self) -> Sequence[str]:
        """Texts that mean different things; at least three."""
        return ["How long is tea steeped?", "Coffee is ground before it is brewed.", "The train leaves at noon."]

    async def test_embed_returns_an_array(self, subject: Subject, promise: Promise, texts: Sequence[str]) -> None:
        """Embed returns a numpy array."""
        import numpy as np  # noqa: PLC0415  # only suites that test embedders need numpy

        vectors = await subject.call("embed", texts=texts, kind="document")
        if not isinstance(vectors, np.ndarray):
            promise.broken(f"it returned {kind(vectors)}", "return numpy.asarray(rows, dtype=numpy.float32)")
