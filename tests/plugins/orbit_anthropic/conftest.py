"""A provider on the stand-in."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import pytest
from anthropic_kit import Start
from anthropic_wire import AnthropicWire
from orbit_anthropic import AnthropicProvider, AnthropicSettings

from orbit import CallContext


@pytest.fixture
async def wire() -> AsyncIterator[AnthropicWire]:
    async with AnthropicWire() as server:
        yield server


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start a provider with these settings; it is stopped after the test."""
    async with AsyncExitStack() as stack:

        async def _start(**settings: Any) -> AnthropicProvider:
            defaults = {"model": "claude", "start_timeout": 0, "retry_delay": 0.01}
            own = msgspec.convert(defaults | settings, AnthropicSettings)
            provider = AnthropicProvider("anthropic", own, host=None)  # type: ignore[arg-type]  # it asks nothing of its host
            return await stack.enter_async_context(provider)

        yield _start


@pytest.fixture
def context() -> CallContext:
    return CallContext("test", deadline=time.monotonic() + 30)
