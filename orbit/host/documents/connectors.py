"""Fetches the files of connectors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any

from orbit.host.calls.calls import WHATEVER_A_HOOK_RAISES, failure_of, too_slow, wrong_type
from orbit.types import CallContext, Fetched


async def fetched(
    name: str, caller: Callable[..., Any], known: Mapping[str, str], limit: int, context: CallContext, seconds: float
) -> AsyncGenerator[Fetched, None]:
    """Yield the files of a connector, each within ``seconds``. Raises ProviderError."""
    try:
        files = caller(known=dict(known), limit=limit, context=context)
        if not hasattr(files, "__aiter__"):
            raise wrong_type(name, "fetch", "an async iterator of Fetched", files)
        async with aclosing(files):
            while True:
                deadline = asyncio.timeout(seconds)
                try:
                    async with deadline:
                        file = await anext(files)
                except StopAsyncIteration:
                    return
                except TimeoutError as error:
                    if deadline.expired():
                        raise too_slow(name, "fetch", seconds) from error
                    raise
                if not isinstance(file, Fetched):
                    raise wrong_type(name, "fetch", "Fetched", file)
                yield file
    except WHATEVER_A_HOOK_RAISES as error:
        raise failure_of(error, name, "fetch") from error
