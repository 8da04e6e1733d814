"""Models that providers ask by name, such as judges: with their fallbacks, as in the turns of clients."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Final

from orbit.errors import OrbitError, PromptTooLong, ProviderError
from orbit.host.calls.calls import too_slow
from orbit.host.models.catalogue import Catalogue, Route, with_own
from orbit.host.models.upstreams import Upstream, Upstreams, in_order
from orbit.types import CallContext, Chunk, GenerateOptions, Message

logger = logging.getLogger("orbit.models")

Generate = Callable[[str, Sequence[Message], GenerateOptions, CallContext], AsyncGenerator[Chunk, None]]


class NamedModels:
    """The models of the section ``models``, for providers. A model has its name also if an instance has the same."""

    def __init__(self, catalogue: Catalogue, upstreams: Upstreams, generate: Generate) -> None:
        """``generate`` asks an instance."""
        self._catalogue = catalogue
        self._upstreams = upstreams
        self._generate = generate

    def __contains__(self, name: str) -> bool:
        return self._catalogue.configured and name in self._catalogue.routes

    def first(self, name: str) -> str:
        """Return the first instance of a model; any other name as it is."""
        return self._catalogue.routes[name].targets[0].provider if name in self else name

    async def generate(
        self, name: str, messages: Sequence[Message], options: GenerateOptions, context: CallContext
    ) -> AsyncGenerator[Chunk, None]:
        """Generate with a model: by its least busy provider, or the next one if that fails before its first text.

        A provider that has not begun after half of the time that ``context`` leaves has failed, if another is ready.
        """
        budget, candidates = self._upstreams.budget, self._candidates(name)
        budget.request()
        first: OrbitError | None = None
        for number, (upstream, route) in enumerate(candidates, 1):
            chosen = with_own(options, route.options, upstream.target.model)
            begun, left = False, context.remaining()
            seconds = left / 2 if left and _is_ready(candidates[number:]) else None
            try:
                answer = self._generate(upstream.provider, messages, chosen, context)
                async with aclosing(_noted(upstream, answer, context, seconds)) as chunks:
                    async for chunk in chunks:
                        begun = True
                        yield chunk
            except (ProviderError, PromptTooLong) as error:
                first = first or error
                rejected = isinstance(error, ProviderError) and error.kind == "rejected"
                if begun or rejected or number == len(candidates) or not budget.take():
                    if begun or first is error:
                        raise
                    raise first from error
                logger.warning("%s: %s takes over: %s", name, candidates[number][0].provider, error)
            else:
                return

    def _candidates(self, name: str) -> list[tuple[Upstream, Route]]:
        """Return who may answer for a model, in order, each once."""
        chain = self._catalogue.chain(name)
        groups = [[self._upstreams.of(target) for target in route.targets] for route in chain]
        routes: dict[Upstream, Route] = {}
        for route, group in zip(chain, groups, strict=True):
            for upstream in group:
                routes.setdefault(upstream, route)
        return [(upstream, routes[upstream]) for upstream in in_order(groups)]


def _is_ready(others: Sequence[tuple[Upstream, Route]]) -> bool:
    return bool(others) and others[0][0].is_ready(time.monotonic())


_PATIENCE: Final = 5.0
"""Seconds after which a caller that leaves without a text has found the provider too slow, whatever its deadline."""
_NEARLY: Final = 0.1
"""Seconds before its deadline at which a caller that leaves without a text has found the same: timers are not exact."""


async def _noted(
    upstream: Upstream, chunks: AsyncGenerator[Chunk, None], context: CallContext, seconds: float | None
) -> AsyncGenerator[Chunk, None]:
    """Pass an answer on, and note what comes of it. Raises ProviderError if it has not begun after ``seconds``."""
    upstream.begin()
    started, begun = time.monotonic(), False
    try:
        async with aclosing(chunks):
            try:
                async with asyncio.timeout(seconds):
                    chunk = await anext(chunks, None)
            except TimeoutError as error:
                raise too_slow(upstream.provider, "generate", round(seconds or 0.0, 2)) from error
            if chunk is not None:
                begun = True
                upstream.answered()
            while chunk is not None:
                yield chunk
                chunk = await anext(chunks, None)
    except ProviderError as error:
        if error.kind != "rejected":
            upstream.failed(error)
        raise
    except asyncio.CancelledError:
        waited, left = time.monotonic() - started, context.remaining()
        if not begun and (waited >= _PATIENCE or (left is not None and left <= _NEARLY)):
            upstream.failed(too_slow(upstream.provider, "generate", round(waited, 2)))
        raise
    finally:
        upstream.end()
