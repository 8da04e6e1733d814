"""The contract of ``index`` and of the other hooks of a store."""

from __future__ import annotations

from collections.abc import Sequence

from orbit import Document
from orbit.testing.contract.promise import Promise
from orbit.testing.contract.provider import ProviderContract
from orbit.testing.contract.samples import COLLECTION, PassageFixtures
from orbit.testing.contract.subject import Subject


class BaseIndexContract(PassageFixtures, ProviderContract):
    """For stores: ``index``, ``drop``, ``list_sources`` and ``list_collections``."""

    async def test_index_returns_how_many_it_wrote(
        self, subject: Subject, promise: Promise, documents: Sequence[Document]
    ) -> None:
        """Index returns the number of documents that it wrote."""
        written = await subject.call("index", collection=COLLECTION, documents=documents)
        if written != len(documents):
            promise.broken(f"it returned {written!r} for {len(documents)} documents", "return len(documents)")
