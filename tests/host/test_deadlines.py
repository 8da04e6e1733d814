"""The deadline of a hook's call: it ends the call, and only the call."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from orbit import CallContext, Document, Provider, ProviderError, hookimpl
from orbit.host.calls.calls import call
from orbit.testing import host

CONTEXT = CallContext("test")


class Slow(Provider):
    """A store that behaves as the collection's name says."""

    @hookimpl
    async def index(self, collection: str, documents: Sequence[Document]) -> int:
        if collection == "times out by itself":
            raise TimeoutError("the socket")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            if collection == "swallows":
                return 7
            if collection == "becomes another error":
                raise ValueError("it was cut") from None
            raise
        return 0


async def index(tmp_path: Path, collection: str, seconds: float = 0.05) -> Any:
    """Index with a deadline; nothing of it may be left in the task."""
    config = {"slow": {}, "echo": {}, "timeouts": {"index": seconds}}
    async with host(config, tmp_path, {"slow": Slow}) as running:
        try:
            return await running.index(collection, [], CONTEXT)
        finally:
            task = asyncio.current_task()
            assert task is not None
            assert task.cancelling() == 0
            await asyncio.sleep(0)  # a stray cancellation would be raised here


async def test_a_passed_deadline_is_an_error_with_a_name(tmp_path: Path) -> None:
    with pytest.raises(ProviderError, match=r"slow could not index: no answer within 0.05 s") as raised:
        await index(tmp_path, "hangs")
    assert (raised.value.kind, raised.value.retryable) == ("timeout", True)


async def test_an_error_of_its_own_is_no_deadline(tmp_path: Path) -> None:
    for collection, name in (("times out by itself", "TimeoutError"), ("becomes another error", "ValueError")):
        with pytest.raises(ProviderError, match=name) as raised:
            await index(tmp_path, collection)
        assert raised.value.kind == "failed"


async def test_a_hook_that_returns_at_the_last_moment_is_believed(tmp_path: Path) -> None:
    assert await index(tmp_path, "swallows") == 7


async def test_a_cancellation_from_outside_stays_one() -> None:
    async def hang() -> None:
        await asyncio.sleep(60)

    calling = asyncio.ensure_future(call("slow", "index", hang, 60.0))
    asyncio.get_running_loop().call_later(0.05, calling.cancel)
    with pytest.raises(asyncio.CancelledError):
        await calling


async def test_a_cancellation_together_with_the_deadline_stays_one() -> None:
    async def hang() -> None:
        asyncio.get_running_loop().call_soon(calling.cancel)
        time.sleep(0.02)  # noqa: ASYNC251  # so that both come in one turn of the loop
        await asyncio.sleep(60)

    calling = asyncio.ensure_future(call("slow", "index", hang, 0.01))
    with pytest.raises(asyncio.CancelledError):
        await calling
