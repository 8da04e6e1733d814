"""Everything that a configuration may name, on loopback, for all tests of this folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from world import World

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Stand-ins for model servers and Elasticsearch, a real Chroma server, tiny models; each made when needed."""
    with World(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.fixture
def examples(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The plugins of the tutorial, importable; later tests must not find them."""
    for folder in ("orbit_hello", "orbit_markdown"):
        monkeypatch.syspath_prepend(EXAMPLES / folder)
    yield
    for name in [name for name in sys.modules if name.startswith(("orbit_hello", "orbit_markdown"))]:
        del sys.modules[name]
