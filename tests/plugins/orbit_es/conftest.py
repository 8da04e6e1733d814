"""The chat log and its follower on an Elasticsearch: the stand-in, or a real one in ORBIT_TEST_ELASTICSEARCH_URL."""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from elasticsearch_kit import Elastic, stand_in
from elasticsearch_wire import FakeElasticsearch

REAL = os.environ.get("ORBIT_TEST_ELASTICSEARCH_URL", "")


@pytest.fixture(autouse=True)
def _no_credentials(monkeypatch):
    for name in ("API_KEY", "USERNAME", "PASSWORD"):
        monkeypatch.delenv(f"ELASTICSEARCH_{name}", raising=False)


@pytest.fixture
def wire() -> Iterator[FakeElasticsearch]:
    """The stand-in, for tests that need faults."""
    with FakeElasticsearch() as server:
        yield server


@pytest.fixture
def index() -> str:
    """A name that no other test uses."""
    return f"orbit-test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def elastic(index: str) -> Iterator[Any]:
    """A healthy server, looked at from outside: the real one when it is named."""
    if REAL:
        server = Elastic(REAL, index)
        yield server
        server.clean()
        server.close()
    else:
        with stand_in(index) as server:
            yield server


@pytest.fixture
def told(caplog):
    """What operators read: warnings and errors of all loggers."""
    caplog.set_level(logging.WARNING)
    return lambda: [entry.getMessage() for entry in caplog.records]
