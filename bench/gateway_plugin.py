"""The generation plugin of the benchmark: the fake upstream behind the ``generate`` hook."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Self

import aiohttp
import msgspec
from fake_client import generate

import orbit


class UpstreamSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The upstream's address."""

    url: str


class FakeUpstream(orbit.Provider):
    """Answers from the fake upstream."""

    Settings = UpstreamSettings
    settings: UpstreamSettings

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._session.close()

    @orbit.hookimpl
    async def generate(
        self, messages: Sequence[orbit.Message], options: orbit.GenerateOptions
    ) -> AsyncIterator[orbit.Chunk]:
        """Yield the upstream's texts as chunks."""
        texts = generate(self._session, self.settings.url, messages[-1].content, stream=options.stream)
        async with aclosing(texts):  # type: ignore[type-var]  # an async generator has aclose
            async for text in texts:
                yield orbit.Chunk(text)


class AbleUpstream(FakeUpstream):
    """The same, of a model that can call tools and never does."""

    ORBIT_API = 2

    @orbit.hookimpl
    async def models(self) -> list[orbit.Model]:
        """Return the only model."""
        return [orbit.Model("able", 100_000, frozenset({"tools"}))]
