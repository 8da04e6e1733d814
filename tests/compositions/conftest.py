"""Everything that a configuration may name, on loopback, for all tests of this folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

TESTS = Path(__file__).parents[1]
for folder in (
    "compositions",
    "wires/openai",
    "wires/ollama",
    "wires/elasticsearch",
    "plugins/orbit_llamacpp",
    "database",
    "serving",
):
    sys.path.insert(0, str(TESTS / folder))
EXAMPLES = TESTS.parent / "docs" / "examples"

if TYPE_CHECKING:
    from world import World


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Stand-ins for model servers and Elasticsearch, a real Chroma server, tiny models; each made when needed."""
    from world import World

    with World(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.fixture
def examples(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugins of the tutorial, importable."""
    for folder in ("orbit_hello", "orbit_markdown"):
        monkeypatch.syspath_prepend(EXAMPLES / folder)
