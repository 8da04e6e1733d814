"""A cancellation of one's own ends where it began; every other one passes through."""

import asyncio

import pytest

from orbit.host.calls.interrupt import Deadline, Interrupt


async def test_an_own_cancellation_is_taken_back() -> None:
    interrupt = Interrupt()
    assert not interrupt.take_back()
    interrupt.cancel()
    interrupt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(60)
    assert not interrupt.wanted_by_others() or interrupt.task.cancelling() == 1
    assert interrupt.take_back()
    assert interrupt.task.cancelling() == 0
    assert not interrupt.take_back()


async def test_somebody_elses_cancellation_passes_through() -> None:
    interrupt = Interrupt()
    interrupt.task.cancel()
    interrupt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(60)
    assert not interrupt.take_back()
    assert interrupt.wanted_by_others()
    interrupt.task.uncancel()


async def test_what_a_failed_group_leaves_is_forgotten() -> None:
    interrupt = Interrupt()
    interrupt.task.cancel()
    interrupt.forget_leaked(RuntimeError())
    assert interrupt.wanted_by_others()
    interrupt.forget_leaked(ExceptionGroup("", [RuntimeError()]))
    assert not interrupt.wanted_by_others()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(60)


async def test_a_deadline_ends_the_wait_and_only_once() -> None:
    deadline = Deadline(0.01)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(60)
    assert deadline.take_back()
    deadline.end()
    assert deadline.task.cancelling() == 0


async def test_a_deadline_that_ended_does_nothing() -> None:
    deadline = Deadline(0.01)
    deadline.end()
    await asyncio.sleep(0.05)
    assert deadline.task.cancelling() == 0


async def test_a_deadline_that_starts_again_ends_later() -> None:
    deadline = Deadline(0.05)
    deadline.restart(60)
    await asyncio.sleep(0.1)
    assert not deadline.pending
    deadline.restart(0.01)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(60)
    deadline.restart(60)  # it is over
    assert deadline.take_back()


async def test_a_deadline_that_ended_does_not_start_again() -> None:
    deadline = Deadline(60)
    deadline.end()
    deadline.restart(0.01)
    await asyncio.sleep(0.05)
    assert not deadline.pending
