"""The contract of ``moderate``."""

from __future__ import annotations

import pytest

from orbit import Message, Verdict
from orbit.testing.contract.promise import Promise, kind
from orbit.testing.contract.provider import ProviderContract
from orbit.testing.contract.subject import Subject


class BaseModerateContract(ProviderContract):
    """For providers that decide what may pass."""

    @pytest.fixture
    def allowed(self) -> str:
        """A text that passes, as a question and as an answer."""
        return "How long is tea steeped?"

    @pytest.fixture
    def refused(self) -> str | None:
        """A text that does not pass, as a question and as an answer; None if there is none that always fails."""
        return None

    async def test_moderate_returns_a_verdict(self, subject: Subject, promise: Promise, allowed: str) -> None:
        """Moderate returns an orbit.Verdict."""
        verdict = await subject.call("moderate", stage="input", messages=[Message("user", allowed)])
        if type(verdict) is not Verdict:
            promise.broken(f"it returned {kind(verdict)}", "return orbit.Verdict(allowed=...)")
