"""Connectors: which instances fetch files, and for which collections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from orbit.config.convert import suggest
from orbit.config.model import Config
from orbit.errors import Problem
from orbit.host.calls import WHATEVER_A_HOOK_RAISES, failure_of, too_slow, wrong_type
from orbit.types import CallContext, Fetched


def unknown_connectors(config: Config, able: Sequence[str]) -> Iterator[Problem]:
    """Yield a problem for each name in ``sync`` that is no connector."""
    settings = config.host.sync
    for setting, names in (("collections", settings.collections), ("intervals", settings.intervals)):
        for name in names:
            if name not in able and name not in config.switched_off:
                there = ", ".join(able) or "none"
                yield Problem(
                    f"sync.{setting}.{name}",
                    f"'{name}' is no connector.{suggest(name, able)} Providers that fetch files: {there}.",
                )


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
