"""The Ollama provider keeps the contracts of generators and embedders."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from orbit.testing import BaseEmbedContract, BaseGenerateContract

if TYPE_CHECKING:
    from ollama_wire import OllamaWire


class TestOllama(BaseGenerateContract, BaseEmbedContract):
    @pytest.fixture
    def plugin_name(self) -> str:
        return "ollama"

    @pytest.fixture
    def wire(self) -> Iterator[OllamaWire]:
        from ollama_kit import served_wire

        with served_wire() as server:
            yield server

    @pytest.fixture
    def settings(self, wire: OllamaWire) -> dict[str, Any]:
        return {"base_url": wire.url, "model": "llama3.2", "embed_model": "nomic-embed-text"}

    @pytest.fixture
    def down_settings(self, settings: dict[str, Any]) -> Iterator[dict[str, Any]]:
        with socket.socket() as taken:  # bound, so that nobody else listens there
            taken.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{taken.getsockname()[1]}"
            yield settings | {"base_url": url, "require_server": False, "start_timeout": 0, "retry_delay": 0.01}

    @pytest.fixture
    def open_connections(self, wire: OllamaWire) -> Callable[[], int]:
        return lambda: len(wire._runner.server.connections)
