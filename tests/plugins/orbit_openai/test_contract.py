"""The contracts of generate and embed, on the stand-in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from ollama_wire import words
from openai_kit import served_wire
from openai_wire import Fault, OpenAIWire

from orbit.testing.contract import BaseEmbedContract, BaseGenerateContract

ABSENT = "http://127.0.0.1:9/v1"


def begin(body: dict[str, Any]) -> str:
    """Answer with the beginning of the last message, so that an answer takes its time but not for ever."""
    return "".join(words(body["messages"][-1]["content"])[:50])


class OnTheWire:
    """Where both contracts find their server."""

    @pytest.fixture
    def plugin_name(self) -> str:
        return "openai"

    @pytest.fixture
    def wire(self) -> Iterator[OpenAIWire]:
        with served_wire(window=100_000, delay=0.005, reply=begin) as wire:
            yield wire

    @pytest.fixture
    def open_connections(self, wire: OpenAIWire) -> Callable[[], int]:
        return lambda: wire.connections


class TestGenerate(OnTheWire, BaseGenerateContract):
    @pytest.fixture
    def settings(self, wire: OpenAIWire) -> dict[str, Any]:
        return {"base_url": wire.url, "model": "llama"}

    @pytest.fixture
    def sent_texts(self, wire: OpenAIWire) -> Callable[[], Sequence[str]]:
        return lambda: [message["content"] or "" for body in wire.asked() for message in body["messages"]]

    @pytest.fixture(params=["field", "tags"])
    def think(self, request: pytest.FixtureRequest, wire: OpenAIWire) -> Callable[[str], None]:
        def in_field(thought: str) -> None:
            wire.thoughts = thought

        def in_tags(thought: str) -> None:
            wire.reply = lambda body: f"<think>{thought}</think>\n\n{begin(body)}"

        return in_field if request.param == "field" else in_tags

    @pytest.fixture
    def call_tools(self, wire: OpenAIWire) -> Callable[[], None]:
        def call() -> None:
            wire.calls = [("weather", '{"town": "Bonn"}'), ("clock", "{}")]

        return call

    @pytest.fixture(params=["die", "end"])
    def cut_off(self, request: pytest.FixtureRequest, wire: OpenAIWire) -> Callable[[], None]:
        return lambda: wire.faults.append(Fault(request.param, after=2))

    @pytest.fixture
    def down_settings(self) -> dict[str, Any]:
        return {"base_url": ABSENT, "model": "llama", "require_server": False, "start_timeout": 0}


class TestEmbed(OnTheWire, BaseEmbedContract):
    @pytest.fixture
    def settings(self, wire: OpenAIWire) -> dict[str, Any]:
        return {"base_url": wire.url, "embed_model": "embedder"}

    @pytest.fixture
    def tokens(self) -> tuple[str, Sequence[int]]:
        return "tea", [ord(letter) for letter in "tea"]

    @pytest.fixture
    def config(self) -> dict[str, Any]:
        return {"echo": {}}

    @pytest.fixture
    def down_settings(self) -> dict[str, Any]:
        return {"base_url": ABSENT, "embed_model": "embedder", "require_server": False, "start_timeout": 0}
