"""A safety provider whose judge is a function."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import pytest
from orbit_safety import SafetyProvider, SafetySettings
from safety_kit import Judge, Start


@pytest.fixture
def judge() -> Judge:
    return Judge()


@pytest.fixture
async def start(judge: Judge) -> AsyncIterator[Start]:
    """Start a provider with these settings; it is stopped after the test."""
    async with AsyncExitStack() as stack:

        async def _start(**settings: Any) -> SafetyProvider:
            own = msgspec.convert({"retry_delay": 0.0} | settings, SafetySettings)
            provider = SafetyProvider("safety", own, judge)  # type: ignore[arg-type]  # what it asks of the host
            assert list(provider.validate()) == []
            await stack.enter_async_context(provider)
            await provider.ready()
            judge.asked.clear()
            judge.options.clear()
            return provider

        yield _start
