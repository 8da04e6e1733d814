"""A provider on a server: the stand-in, or a real Ollama when ORBIT_TEST_OLLAMA_URL names one."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator

import pytest
from ollama_kit import Served, Start
from ollama_wire import OllamaWire
from orbit_ollama import OllamaProvider
from wire_kit import starting

from orbit import CallContext


@pytest.fixture
async def wire() -> AsyncIterator[OllamaWire]:
    async with OllamaWire() as server:
        yield server


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start a provider with these settings; it is stopped after the test."""
    async with starting(OllamaProvider, "ollama", model="llama3.2", embed_model="nomic-embed-text") as start:
        yield start


@pytest.fixture
def context() -> CallContext:
    return CallContext("test", deadline=time.monotonic() + 30)


@pytest.fixture(params=["wire", "real"])
async def served(request: pytest.FixtureRequest, start: Start) -> AsyncIterator[Served]:
    if request.param == "wire":
        async with OllamaWire() as server:
            yield Served(await start(base_url=server.url), real=False)
        return
    url = os.environ.get("ORBIT_TEST_OLLAMA_URL")
    if not url:
        pytest.skip("ORBIT_TEST_OLLAMA_URL names no server")
    model = os.environ.get("ORBIT_TEST_OLLAMA_MODEL", "llama3.2")
    embed_model = os.environ.get("ORBIT_TEST_OLLAMA_EMBED_MODEL", "nomic-embed-text")
    yield Served(await start(base_url=url, model=model, embed_model=embed_model, num_predict=64), real=True)
