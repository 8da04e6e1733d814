"""Three providers and four models with fallbacks, and what can be wrong with a provider."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from openai_kit import served_wire
from openai_wire import OpenAIWire

from orbit.testing.hosting import serve

NAMES = ("one", "two", "three")
MODELS: dict[str, Any] = {
    "default": "fast",
    "fast": {"provider": "one", "fallback": "shared"},
    "shared": {"provider": ["one", "two"], "fallback": ["last"]},
    "last": {"provider": "three"},
    "exact": {"provider": ["three", "two"], "fallback": "fast", "options": {"temperature": 0.5, "seed": 7}},
}


class Models:
    """A server with its three upstreams."""

    def __init__(self, wires: dict[str, OpenAIWire], server: Any) -> None:
        self.wires = wires
        self.server = server

    def post(self, path: str, **body: Any) -> httpx.Response:
        headers = {"X-API-Key": self.server.key}
        return httpx.post(f"{self.server.url}{path}", json=body, headers=headers, timeout=60)

    def chat(self, model: str = "", **body: Any) -> dict[str, Any]:
        response = self.post("/chat", **{"message": "hello", "stream": False, "model": model, **body})
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def asked(self) -> Counter[str]:
        return Counter({name: len(wire.asked()) for name, wire in self.wires.items()})


@contextlib.contextmanager
def served_models(folder: Path) -> Iterator[Models]:
    """Serve the models in a folder."""
    with contextlib.ExitStack() as stack:
        wires = {name: stack.enter_context(served_wire(models=[f"model-{name}"])) for name in NAMES}
        sections = {
            name: {"use": "openai", "base_url": wire.url, "model": f"model-{name}", "max_retries": 0}
            for name, wire in wires.items()
        }
        config = {
            **sections,
            "models": MODELS,
            "timeouts": {"first_token": 2},
            "metrics": {"access": "loopback"},
            "logging": {"file": {"enabled": True, "directory": str(folder / "logs")}},
        }
        yield Models(wires, stack.enter_context(serve(config, folder)))


def dead(wire: OpenAIWire) -> None:
    assert wire.run is not None
    wire.run(wire.stop())


def slow(wire: OpenAIWire) -> None:
    wire.delay = 30.0


def out_of_quota(wire: OpenAIWire) -> None:
    wire.refuse = lambda _path, _body: (429, {"message": "You exceeded your quota.", "code": "rate_limit_exceeded"})


def failing(wire: OpenAIWire) -> None:
    wire.refuse = lambda _path, _body: (500, "The server had an error.")


def too_small(wire: OpenAIWire) -> None:
    wire.window = 3


FAULTS = [dead, slow, out_of_quota, failing, too_small]
