"""What deliberately wrong providers are made of: a pretend service to lose connections to, and a table's row."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import msgspec

import orbit


class Service:
    """Counts the connections to it."""

    open: ClassVar[int] = 0
    sent: ClassVar[list[str]] = []
    """The texts that it has received."""
    thought: ClassVar[str] = ""
    """What it thinks before each answer."""
    cuts: ClassVar[bool] = False
    """Whether it breaks off its next answer."""
    edition: ClassVar[int] = 1
    """Of its files."""
    lost: ClassVar[bool] = False
    """Whether it fails while it lists its files."""
    foreign: ClassVar[dict[str, list[orbit.Document]]] = {}
    """Collections that other programs have made."""

    @classmethod
    @contextmanager
    def connection(cls) -> Iterator[None]:
        cls.open += 1
        try:
            yield
        finally:
            cls.open -= 1


class Right(orbit.Provider):
    """A provider of the pretend service that does everything right but has no hook."""

    class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
        up: bool = True
        api_key: str = ""
        url: str = "http://service.example.com"

    settings: Settings

    async def health(self) -> orbit.Health:
        return orbit.Health() if self.settings.up else orbit.Health("down", "the service does not answer")

    def connect(self) -> Any:
        if not self.settings.up:
            raise orbit.ProviderError("the service does not answer.", kind="unavailable", retryable=True)
        return Service.connection()

    async def work(self) -> None:
        """Wait a little, as for a service."""
        with self.connect():
            for _ in range(30):
                await asyncio.sleep(0)


async def swallow() -> None:
    """Wait, and do not let go when cancelled."""
    for _ in range(3):
        try:
            await asyncio.sleep(0.25)
        except asyncio.CancelledError:
            continue


class Wrong(msgspec.Struct, frozen=True):
    """A row: the rule that a class breaks, and words of the sentence in which the kit says so."""

    rule: str
    provider: type[orbit.Provider]
    words: str
