"""What tests of the Anthropic provider share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any

from anthropic_wire import AnthropicWire
from orbit_anthropic import AnthropicProvider
from wire_kit import ANYTHING, QUESTION, ask, served_in_thread, text

__all__ = ["ANYTHING", "QUESTION", "Start", "ask", "served_wire", "text"]

Start = Callable[..., Awaitable[AnthropicProvider]]


def served_wire(**switches: Any) -> AbstractContextManager[AnthropicWire]:
    """Run a stand-in in a thread of its own."""
    return served_in_thread(AnthropicWire(**switches))
