"""Runs work on several items at the same time and yields the results in the order of the items."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


async def in_order(
    work: Callable[[Item], Awaitable[Result]], items: Iterable[Item] | AsyncIterable[Item], width: int
) -> AsyncGenerator[tuple[Item, Result], None]:
    """Yield each item with its result. At most ``width`` items are in work or wait for the consumer.

    Closing the generator cancels the work in progress.
    """
    running: deque[tuple[Item, asyncio.Task[Result]]] = deque()

    async def one(item: Item) -> Result:
        return await work(item)

    try:
        async with aclosing(_each(items)) as listed:
            async for item in listed:
                running.append((item, asyncio.create_task(one(item))))
                if len(running) > width:
                    first, task = running.popleft()
                    yield first, await task
        while running:
            first, task = running.popleft()
            yield first, await task
    finally:
        for _, task in running:
            task.cancel()
        await asyncio.gather(*(task for _, task in running), return_exceptions=True)


async def _each(items: Iterable[Item] | AsyncIterable[Item]) -> AsyncGenerator[Item, None]:
    """Yield the items of either kind of iterable."""
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item
