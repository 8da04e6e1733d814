"""A provider on a server: the stand-in, ORBIT's own /v1, or a real one when ORBIT_TEST_OPENAI_URL names it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import pytest
from openai_kit import Start
from openai_wire import OpenAIWire
from orbit_openai import OpenAIProvider, OpenAISettings

from orbit import CallContext


@pytest.fixture
async def wire() -> AsyncIterator[OpenAIWire]:
    async with OpenAIWire() as server:
        yield server


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start a provider with these settings; it is stopped after the test."""
    async with AsyncExitStack() as stack:

        async def _start(**settings: Any) -> OpenAIProvider:
            defaults = {"model": "llama", "embed_model": "embedder", "start_timeout": 0, "retry_delay": 0.01}
            own = msgspec.convert(defaults | settings, OpenAISettings)
            provider = OpenAIProvider("openai", own, host=None)  # type: ignore[arg-type]  # it asks nothing of its host
            return await stack.enter_async_context(provider)

        yield _start


@pytest.fixture
def context() -> CallContext:
    return CallContext("test", deadline=time.monotonic() + 30)
