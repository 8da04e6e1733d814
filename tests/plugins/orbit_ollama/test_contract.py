"""The Ollama provider keeps the contracts of generators and embedders."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pytest
from ollama_wire import Fault

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

        with served_wire(abilities=["completion", "tools"]) as server:
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
    def sent_texts(self, wire: OllamaWire) -> Callable[[], Sequence[str]]:
        return lambda: [message["content"] for body in wire.asked() for message in body["messages"]]

    @pytest.fixture(params=["field", "tags"])
    def think(self, request: pytest.FixtureRequest, wire: OllamaWire) -> Callable[[str], None]:
        def in_field(thought: str) -> None:
            wire.thoughts = thought

        def in_tags(thought: str) -> None:
            wire.reply = lambda body: f"<think>{thought}</think>\n\nTea is steeped."

        return in_field if request.param == "field" else in_tags

    @pytest.fixture
    def call_tools(self, wire: OllamaWire) -> Callable[[], None]:
        def call() -> None:
            wire.reply = lambda _: '{"name": "weather", "arguments": {"town": "Bonn"}}'

        return call

    @pytest.fixture(params=["die", "end"])
    def cut_off(self, request: pytest.FixtureRequest, wire: OllamaWire) -> Callable[[], None]:
        return lambda: wire.faults.append(Fault(request.param, after=2))

    @pytest.fixture
    def open_connections(self, wire: OllamaWire) -> Callable[[], int]:
        return lambda: wire.connections
