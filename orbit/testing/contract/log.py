"""The contract of ``log``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from orbit import ChatRecord
from orbit.testing.contract.promise import Promise, kind
from orbit.testing.contract.provider import ProviderContract
from orbit.testing.contract.subject import Subject


class BaseLogContract(ProviderContract):
    """For providers that keep the records of turns."""

    @pytest.fixture
    def records(self) -> Sequence[ChatRecord]:
        """Records to keep, each with a request id of its own."""
        return [
            ChatRecord(timestamp=1.7e9 + number, request_id=f"contract-{number}", query="How?", response="So.")
            for number in range(3)
        ]

    @pytest.fixture
    def stored(self) -> Callable[[], Sequence[str]] | None:
        """Tells the request ids of all records that are kept by now, oldest first; None if nobody can tell."""
        return None

    async def test_log_returns_nothing(self, subject: Subject, promise: Promise, records: Sequence[ChatRecord]) -> None:
        """Log returns nothing."""
        value = await subject.call("log", record=records[0])
        if value is not None:
            promise.broken(f"it returned {kind(value)}", "end without a return")
