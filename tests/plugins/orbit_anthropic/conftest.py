"""A provider on the stand-in."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest
from anthropic_kit import Start
from anthropic_wire import AnthropicWire
from orbit_anthropic import AnthropicProvider
from wire_kit import starting

from orbit import CallContext


@pytest.fixture
async def wire() -> AsyncIterator[AnthropicWire]:
    async with AnthropicWire() as server:
        yield server


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start a provider with these settings; it is stopped after the test."""
    async with starting(AnthropicProvider, "anthropic", model="claude") as start:
        yield start


@pytest.fixture
def context() -> CallContext:
    return CallContext("test", deadline=time.monotonic() + 30)
