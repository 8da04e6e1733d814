"""A provider is entered and left in one task, whoever asks for it, and in any order."""

from __future__ import annotations

import asyncio
from typing import Any, Self

import anyio
import pytest

import orbit
from orbit.host.providers.lifetime import Lifetime
from orbit.provider import NoSettings


class Grouped(orbit.Provider):
    """Holds a task group, as clients on anyio do."""

    async def __aenter__(self) -> Self:
        self.group = anyio.create_task_group()
        await self.group.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.group.__aexit__(None, None, None)


class Waits(orbit.Provider):
    async def __aenter__(self) -> Self:
        try:
            await asyncio.Event().wait()
        finally:
            self.cleared = True
        return self


class Fails(orbit.Provider):
    async def __aenter__(self) -> Self:
        raise orbit.ProviderError("no")


class FailsAtTheEnd(orbit.Provider):
    async def __aexit__(self, *_: object) -> None:
        raise OSError("disk")


def life(kind: type[orbit.Provider]) -> Lifetime:
    host: Any = None
    return Lifetime(kind("name", NoSettings(), host))


async def test_task_groups_close_in_any_order_and_from_any_task() -> None:
    first, second = life(Grouped), life(Grouped)
    await first.enter()
    await asyncio.create_task(second.enter())
    await first.leave()
    await second.leave()


async def test_errors_come_to_the_one_who_asked() -> None:
    with pytest.raises(orbit.ProviderError, match="no"):
        await life(Fails).enter()
    failing = life(FailsAtTheEnd)
    await failing.enter()
    with pytest.raises(OSError, match="disk"):
        await failing.leave()


async def test_a_start_that_is_given_up_is_cancelled() -> None:
    waiting = life(Waits)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await waiting.enter()
    assert waiting.provider.cleared  # type: ignore[attr-defined]
