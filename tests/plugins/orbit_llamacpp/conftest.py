"""Doubles and short forms for the tests of the llama.cpp plugin."""

import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from orbit_llamacpp import LlamaCppProvider, LlamaCppSettings

from orbit.types import CallContext, Chunk, GenerateOptions, Message


def make(**settings: Any) -> LlamaCppProvider:
    settings.setdefault("n_threads", 1)  # two threads would spin for each other on a busy machine
    return LlamaCppProvider("llama_cpp", LlamaCppSettings(**settings), None)  # type: ignore[arg-type]  # asks nothing of the host


def conversation(question: str) -> list[Message]:
    return [Message("system", "You are a helpful assistant."), Message("user", question)]


class Asker:
    """Asks a started provider, as the host would."""

    def __init__(self, provider: LlamaCppProvider) -> None:
        self.provider = provider

    def stream(self, question: str | list[Message], key: str = "", **options: Any) -> AsyncIterator[Chunk]:
        messages = conversation(question) if isinstance(question, str) else question
        return self.provider.generate(messages, GenerateOptions(**options), CallContext("test", key_id=key))

    async def chunks(self, question: str | list[Message], **options: Any) -> list[Chunk]:
        return [chunk async for chunk in self.stream(question, **options)]

    async def text(self, question: str | list[Message], **options: Any) -> str:
        return "".join(chunk.text for chunk in await self.chunks(question, **options))

    async def count(self, question: str) -> int:
        return (await self.provider.count_tokens(conversation(question), CallContext("test"))).prompt


@pytest.fixture(name="make")
def make_provider() -> Callable[..., LlamaCppProvider]:
    """Makes a provider that is not started."""
    return make


@pytest.fixture(name="asker")
def make_asker() -> type[Asker]:
    """Asks a provider that the test has started itself."""
    return Asker


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def smollm() -> AsyncIterator[Asker]:
    """A real small model, greedy, for the tests of one module."""
    async with make(n_ctx=256, temperature=0.0, max_tokens=48) as provider:
        yield Asker(provider)


@pytest.fixture
def write_gguf(tmp_path: Path) -> Callable[..., Path]:
    """Writes a GGUF file without weights that says of itself what it is told to."""

    def write(name: str = "tiny.gguf", **metadata: str | int) -> Path:
        def text(value: str) -> bytes:
            return struct.pack("<Q", len(value)) + value.encode()

        body = b"GGUF" + struct.pack("<IQQ", 3, 0, len(metadata))
        for key, value in metadata.items():
            body += text(key.replace("__", "."))
            body += struct.pack("<I", 8) + text(value) if isinstance(value, str) else struct.pack("<II", 4, value)
        path = tmp_path / name
        path.write_bytes(body)
        return path

    return write
