"""The contract of ``retrieve``."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from orbit import Document, Query
from orbit.host import OrbitHost
from orbit.testing.contract.promise import Promise, kind
from orbit.testing.contract.provider import ProviderContract
from orbit.testing.contract.samples import COLLECTION, Load, PassageFixtures
from orbit.testing.contract.subject import CONTEXT, Subject


class BaseRetrieveContract(PassageFixtures, ProviderContract):
    """For providers that find passages."""

    @pytest.fixture
    def load(self) -> Load:
        """Puts ``documents`` where the provider finds them; as it stands, through ``index`` if there is a store.

        A provider with documents of its own overrides ``documents`` and ``query`` with what it has, and this with a
        function that does nothing.
        """

        async def index(host: OrbitHost, documents: Sequence[Document]) -> None:
            if host.roles.index:
                await host.index(COLLECTION, documents, CONTEXT)

        return index

    async def test_retrieve_returns_documents(
        self, subject: Subject, promise: Promise, load: Load, documents: Sequence[Document], query: Query
    ) -> None:
        """Retrieve returns a list of orbit.Document."""
        await load(subject.host, documents)
        found = await subject.call("retrieve", query=query, limit=10)
        if not isinstance(found, list | tuple):
            promise.broken(f"it returned {kind(found)}", "return a list")
