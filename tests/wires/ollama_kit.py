"""What tests of the Ollama provider share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any

import click
import msgspec
from click.testing import CliRunner
from ollama_wire import OllamaWire
from orbit_ollama import OllamaProvider, OllamaSettings
from wire_kit import ANYTHING, QUESTION, ask, served_in_thread, text, until

__all__ = ["ANYTHING", "QUESTION", "Served", "Start", "ask", "command", "served_wire", "text", "until"]

Start = Callable[..., Awaitable[OllamaProvider]]


class Served:
    """The provider under contract, and whether it runs on a real server."""

    def __init__(self, provider: OllamaProvider, *, real: bool) -> None:
        self.provider = provider
        self.real = real


def served_wire(**switches: Any) -> AbstractContextManager[OllamaWire]:
    """Run a stand-in in a thread of its own."""
    return served_in_thread(OllamaWire(**switches))


async def command(wire: OllamaWire, *arguments: str, **settings: object) -> tuple[int, str]:
    """Run ``orbit ollama ...`` beside the server; return the exit code and all output."""
    own = msgspec.convert({"base_url": wire.url, "model": "llama3.2", "embed_model": "gone"} | settings, OllamaSettings)
    group = click.Group("ollama")
    OllamaProvider("ollama", own, host=None).register_commands(group)  # type: ignore[arg-type]  # it asks nothing of it
    result = await asyncio.to_thread(CliRunner().invoke, group, list(arguments))
    return result.exit_code, result.output
