"""A check of health that fails, hangs or returns something else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orbit.host.providers.health import HealthQuestions
from orbit.types import Health


async def well() -> Health:
    return Health("degraded", "slow today")


async def raising() -> Health:
    raise RuntimeError("a secret of the plugin")


async def cancelled() -> Health:
    raise asyncio.CancelledError


async def odd() -> Any:
    return "fine"


@pytest.mark.parametrize(
    ("health", "found"),
    [
        (well, Health("degraded", "slow today")),
        (raising, Health("down", "RuntimeError while asking for its health")),
        (cancelled, Health("down", "asking for its health was cancelled")),
        (odd, Health("down", "health() returned no orbit.Health")),
    ],
)
async def test_whatever_a_check_does_its_component_has_a_state(health: Any, found: Health) -> None:
    assert await HealthQuestions(5).ask("part", health) == found


async def test_a_check_that_ignores_its_end_is_not_repeated_while_it_hangs() -> None:
    asked, release = 0, asyncio.Event()

    async def stubborn() -> Health:
        nonlocal asked
        asked += 1
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        return Health()

    questions = HealthQuestions(0.05)
    for _ in range(3):
        assert await questions.ask("part", stubborn) == Health("down", "no answer within 0.05 s")
    assert asked == 1
    release.set()
    assert await HealthQuestions(5).ask("part", stubborn) == Health()
    assert asked == 2
