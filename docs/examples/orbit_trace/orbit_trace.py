"""Measures the calls of all plugins, and reports number, duration and failures at /metrics."""

import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Generator, Mapping
from contextlib import aclosing
from typing import Any, TypeVar

import orbit

T = TypeVar("T")


class Trace(orbit.Provider):
    """Wraps all hooks that do work: every call passes through it, whichever plugin serves it."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._figures: Counter[str] = Counter()

    def metrics(self) -> Mapping[str, float]:
        """Return seconds, calls and failures of each hook."""
        return dict(self._figures)

    @orbit.hookimpl(wrapper=True)
    def embed(self) -> Generator[None, Any, Any]:
        """Measure `embed`. `yield` returns the plugin's coroutine, not awaited yet."""
        return self._awaited("embed", (yield))

    @orbit.hookimpl(wrapper=True)
    def retrieve(self) -> Generator[None, Any, Any]:
        """Measure `retrieve`."""
        return self._awaited("retrieve", (yield))

    @orbit.hookimpl(wrapper=True)
    def rerank(self) -> Generator[None, Any, Any]:
        """Measure `rerank`."""
        return self._awaited("rerank", (yield))

    @orbit.hookimpl(wrapper=True)
    def moderate(self) -> Generator[None, Any, Any]:
        """Measure `moderate`."""
        return self._awaited("moderate", (yield))

    @orbit.hookimpl(wrapper=True)
    def generate(self) -> Generator[None, Any, Any]:
        """Measure `generate`. For this hook alone, `yield` returns the plugin's async iterator."""
        return self._iterated("generate", (yield))

    async def _awaited(self, hook: str, call: Awaitable[T]) -> T:
        started = time.perf_counter()
        try:
            return await call
        except BaseException:
            self._figures[f"{hook}_failed_total"] += 1
            raise
        finally:
            self._note(hook, started)

    async def _iterated(
        self, hook: str, chunks: AsyncGenerator[orbit.Chunk, None]
    ) -> AsyncGenerator[orbit.Chunk, None]:
        """Pass chunks on. `aclosing` closes the plugin's stream together with this one, so the model stops at once."""
        started = time.perf_counter()
        try:
            async with aclosing(chunks):
                async for chunk in chunks:
                    yield chunk
        except Exception:
            self._figures[f"{hook}_failed_total"] += 1
            raise
        finally:
            self._note(hook, started)

    def _note(self, hook: str, started: float) -> None:
        self._figures[f"{hook}_calls_total"] += 1
        self._figures[f"{hook}_seconds_total"] += time.perf_counter() - started  # type: ignore[assignment]  # a Counter of floats
