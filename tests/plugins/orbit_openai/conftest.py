"""A provider on a server: the stand-in, ORBIT's own /v1, or a real one when ORBIT_TEST_OPENAI_URL names it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest
from openai_kit import Start
from openai_wire import OpenAIWire
from orbit_openai import OpenAIProvider
from wire_kit import starting

from orbit import CallContext


@pytest.fixture
async def wire() -> AsyncIterator[OpenAIWire]:
    async with OpenAIWire() as server:
        yield server


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start a provider with these settings; it is stopped after the test."""
    async with starting(OpenAIProvider, "openai", model="llama", embed_model="embedder") as start:
        yield start


@pytest.fixture
def context() -> CallContext:
    return CallContext("test", deadline=time.monotonic() + 30)
