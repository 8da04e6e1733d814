"""The contract of ``generate``, and of ``count_tokens`` where it is implemented."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from orbit import Chunk, GenerateOptions, Message
from orbit.testing.contract.promise import Promise, kind
from orbit.testing.contract.provider import ProviderContract
from orbit.testing.contract.subject import Subject


class BaseGenerateContract(ProviderContract):
    """For providers that write answers."""

    @pytest.fixture
    def messages(self) -> Sequence[Message]:
        """A conversation that the provider answers with several pieces of text."""
        return [Message("user", "Tell me in a few sentences how tea is made.")]

    async def test_generate_yields_chunks(
        self, subject: Subject, promise: Promise, messages: Sequence[Message]
    ) -> None:
        """Generate yields orbit.Chunk."""
        async for chunk in subject.call("generate", messages=messages, options=GenerateOptions()):
            if type(chunk) is not Chunk:
                promise.broken(f"it yielded {kind(chunk)}", "yield orbit.Chunk(text)")
