"""What tests of the OpenAI provider share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any

from openai_wire import OpenAIWire
from orbit_openai import OpenAIProvider
from wire_kit import ANYTHING, QUESTION, ask, served_in_thread, text, until

__all__ = ["ANYTHING", "QUESTION", "Start", "ask", "served_wire", "text", "until"]

Start = Callable[..., Awaitable[OpenAIProvider]]


def served_wire(**switches: Any) -> AbstractContextManager[OpenAIWire]:
    """Run a stand-in in a thread of its own."""
    return served_in_thread(OpenAIWire(**switches))
