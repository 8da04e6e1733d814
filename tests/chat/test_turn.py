"""A part of a turn ends at the turn's deadline, and nobody else's timeout suffers."""

import asyncio
import time
from typing import Any

import pytest
from actor_kit import turn

from orbit import CallContext, Message
from orbit.chat.ticker import Ticker
from orbit.chat.turn import TurnTimeout, in_time


def context(seconds: float | None) -> CallContext:
    return CallContext("r", deadline=None if seconds is None else time.monotonic() + seconds)


async def slow(seconds: float = 60) -> str:
    await asyncio.sleep(seconds)
    return "done"


async def late() -> str:
    raise TimeoutError


@pytest.mark.parametrize("seconds", [None, 60])
async def test_work_within_the_deadline_is_done(seconds: float | None) -> None:
    assert await in_time(context(seconds), slow(0.001), Ticker()) == "done"
    await asyncio.sleep(0)


@pytest.mark.parametrize("seconds", [0.01, 0, -5])
async def test_the_deadline_ends_the_work(seconds: float) -> None:
    with pytest.raises(TurnTimeout) as raised:
        await in_time(context(seconds), slow(), Ticker())
    assert raised.value.client == str(raised.value) == "The answer took longer than the server allows."
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


@pytest.mark.parametrize("seconds", [None, 60])
async def test_a_timeout_around_is_its_own(seconds: float | None) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await in_time(context(seconds), slow(), Ticker())


async def test_a_timeout_within_is_the_works_own() -> None:
    with pytest.raises(TimeoutError):
        await in_time(context(60), late(), Ticker())


async def test_the_timer_ends_with_the_work() -> None:
    await in_time(context(0.02), slow(0), Ticker())
    await asyncio.sleep(0.15)  # a timer that goes on would cancel this


async def test_work_that_overhears_the_deadline_keeps_its_result() -> None:
    async def deaf() -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "late"
        return "never"

    assert await in_time(context(0.01), deaf(), Ticker()) == "late"
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


@pytest.mark.parametrize(
    ("fields", "searches"),
    [
        ({}, True),
        ({"question": " \n"}, False),
        ({"task": "title"}, False),
        ({"later": (Message("assistant", "It is"),)}, True),
        ({"later": (Message("tool", "nine", tool_call_id="1"),)}, False),
    ],
)
def test_a_question_is_searched_for_once(fields: dict[str, Any], *, searches: bool) -> None:
    asked = turn(**fields)
    assert asked.searches is searches
    assert asked.has_results is any(message.role == "tool" for message in asked.later)
