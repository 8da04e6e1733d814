"""What tests of the Ollama provider share."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from ollama_wire import OllamaWire
from orbit_ollama import OllamaProvider

sys.path.insert(0, str(Path(__file__).parents[1]))
from wire_kit import ANYTHING, QUESTION, ask, served_in_thread, text, until

__all__ = ["ANYTHING", "QUESTION", "Served", "Start", "ask", "served_wire", "text", "until"]

Start = Callable[..., Awaitable[OllamaProvider]]


class Served:
    """The provider under contract, and whether it runs on a real server."""

    def __init__(self, provider: OllamaProvider, *, real: bool) -> None:
        self.provider = provider
        self.real = real


def served_wire(**switches: Any) -> AbstractContextManager[OllamaWire]:
    """Run a stand-in in a thread of its own."""
    return served_in_thread(OllamaWire(**switches))
