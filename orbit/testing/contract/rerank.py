"""The contract of ``rerank``."""

from __future__ import annotations

from collections.abc import Sequence

from orbit import Document, Query
from orbit.testing.contract.promise import Promise, kind
from orbit.testing.contract.provider import ProviderContract
from orbit.testing.contract.samples import PassageFixtures
from orbit.testing.contract.subject import Subject


class BaseRerankContract(PassageFixtures, ProviderContract):
    """For providers that put passages in a better order."""

    async def test_rerank_returns_documents(
        self, subject: Subject, promise: Promise, documents: Sequence[Document], query: Query
    ) -> None:
        """Rerank returns a list of orbit.Document."""
        ranked = await subject.call("rerank", query=query, documents=documents, limit=10)
        if not isinstance(ranked, list | tuple):
            promise.broken(f"it returned {kind(ranked)}", "return a list")
