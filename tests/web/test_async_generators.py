"""The event loop does not track async generators while the server runs, and still closes those that are dropped."""

import asyncio
import sys
from collections.abc import AsyncGenerator

from orbit.web.async_generators import untracked


async def test_generators_that_nobody_closes_are_closed() -> None:
    closed = asyncio.Event()

    async def numbers() -> AsyncGenerator[int, None]:
        try:
            yield 1
            yield 2
        finally:
            closed.set()

    hooks = sys.get_asyncgen_hooks()
    with untracked():
        assert sys.get_asyncgen_hooks() == (None, hooks.finalizer)
        async for _ in numbers():
            break
        await asyncio.wait_for(closed.wait(), 5)
    assert sys.get_asyncgen_hooks() == hooks
