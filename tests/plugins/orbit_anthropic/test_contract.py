"""The contract of generate, on the stand-in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from anthropic_kit import served_wire
from anthropic_wire import AnthropicWire, Fault, last_text, said
from ollama_wire import words

from orbit.testing.contract import BaseGenerateContract


def begin(body: dict[str, Any]) -> str:
    """Answer with the beginning of the last message, so that an answer takes its time but not for ever."""
    return "".join(words(last_text(body))[:50])


class TestGenerate(BaseGenerateContract):
    @pytest.fixture
    def plugin_name(self) -> str:
        return "anthropic"

    @pytest.fixture
    def wire(self) -> Iterator[AnthropicWire]:
        with served_wire(window=100_000, delay=0.005, reply=begin) as wire:
            yield wire

    @pytest.fixture
    def open_connections(self, wire: AnthropicWire) -> Callable[[], int]:
        return lambda: wire.connections

    @pytest.fixture
    def settings(self, wire: AnthropicWire) -> dict[str, Any]:
        return {"base_url": wire.url, "model": "claude"}

    @pytest.fixture
    def sent_texts(self, wire: AnthropicWire) -> Callable[[], Sequence[str]]:
        def texts() -> Sequence[str]:
            bodies = wire.asked()
            return [body.get("system") or "" for body in bodies] + [
                said(message["content"]) for body in bodies for message in body["messages"]
            ]

        return texts

    @pytest.fixture
    def think(self, wire: AnthropicWire) -> Callable[[str], None]:
        def think(thought: str) -> None:
            wire.thoughts = thought

        return think

    @pytest.fixture
    def call_tools(self, wire: AnthropicWire) -> Callable[[], None]:
        def call() -> None:
            wire.calls = [("weather", '{"town": "Bonn"}'), ("clock", "{}")]

        return call

    @pytest.fixture(params=["die", "end"])
    def cut_off(self, request: pytest.FixtureRequest, wire: AnthropicWire) -> Callable[[], None]:
        return lambda: wire.faults.append(Fault(request.param, after=3))

    @pytest.fixture
    def down_settings(self) -> dict[str, Any]:
        return {"base_url": "http://127.0.0.1:9", "model": "claude", "require_server": False, "start_timeout": 0}
