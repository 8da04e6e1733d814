"""A plugin that makes embeddings fail, to test how a store handles it."""

from __future__ import annotations

from collections.abc import Coroutine, Generator, Iterator
from contextlib import contextmanager
from typing import Any

from orbit import Provider, ProviderError, hookimpl


class EmbedGate(Provider):
    """Wraps ``embed`` of every plugin that embeds. ``failures`` counts the failed calls."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.failures = 0
        self._left: int | None = None

    @contextmanager
    def failing_after(self, calls: int) -> Iterator[None]:
        """Let this many calls pass, then fail the rest."""
        self.failures, self._left = 0, calls
        try:
            yield
        finally:
            self._left = None

    @hookimpl(wrapper=True)
    def embed(self) -> Generator[None, Any, Any]:
        """Pass the call on, or raise ProviderError."""
        return self._passed((yield))

    async def _passed(self, call: Coroutine[Any, Any, Any]) -> Any:
        if self._left is None:
            return await call
        if self._left == 0:
            call.close()
            self.failures += 1
            raise ProviderError("the contract lets this embedding fail.", kind="rejected", retried=True)
        self._left -= 1
        return await call
