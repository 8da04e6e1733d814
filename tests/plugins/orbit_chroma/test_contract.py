"""The Chroma provider keeps the contracts of stores and retrievers: embedded, and on a server."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from orbit.testing import BaseIndexContract, BaseRetrieveContract


class ChromaFixtures:
    @pytest.fixture
    def plugin_name(self) -> str:
        return "chroma"

    @pytest.fixture
    def config(self) -> dict[str, Any]:
        return {"bag": {}}


class TestEmbedded(ChromaFixtures, BaseIndexContract, BaseRetrieveContract):
    pass


class TestServer(ChromaFixtures, BaseIndexContract, BaseRetrieveContract):
    @pytest.fixture
    def settings(self, shared_server) -> Iterator[dict[str, Any]]:
        yield {"host": "127.0.0.1", "port": shared_server.port}
        shared_server.clean()

    @pytest.fixture
    def down_settings(self) -> Iterator[dict[str, Any]]:
        with socket.socket() as taken:  # bound, so that nobody else listens there
            taken.bind(("127.0.0.1", 0))
            yield {"host": "127.0.0.1", "port": taken.getsockname()[1]}
