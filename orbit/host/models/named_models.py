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
        """Generate with a model: by its least busy provider, or the next one if that fails before its first text."""
        budget, candidates = self._upstreams.budget, self._candidates(name)
        budget.request()
        first: OrbitError | None = None
        for number, (upstream, route) in enumerate(candidates, 1):
            chosen = with_own(options, route.options, upstream.target.model)
            begun = False
            try:
                answer = self._generate(upstream.provider, messages, chosen, context)
                async with aclosing(_noted(upstream, answer)) as chunks:
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


_PATIENCE: Final = 5.0
"""Seconds after which a caller that leaves without a text has found the provider too slow. Judges have deadlines."""


async def _noted(upstream: Upstream, chunks: AsyncGenerator[Chunk, None]) -> AsyncGenerator[Chunk, None]:
    """Pass an answer on, and note what comes of it."""
    upstream.begin()
    started, begun = time.monotonic(), False
    try:
        async with aclosing(chunks):
            async for chunk in chunks:
                if not begun:
                    begun = True
                    upstream.answered()
                yield chunk
    except ProviderError as error:
        if error.kind != "rejected":
            upstream.failed(error)
        raise
    except asyncio.CancelledError:
        seconds = time.monotonic() - started
        if not begun and seconds >= _PATIENCE:
            upstream.failed(too_slow(upstream.provider, "generate", seconds))
        raise
    finally:
        upstream.end()
