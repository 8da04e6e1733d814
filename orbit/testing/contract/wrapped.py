"""Wrappers driven by hand, around calls whose fate can be seen.

The host closes for wrappers what they forget. Here nobody does, so a slip shows.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Generator
from typing import Any, Final

import pluggy

from orbit import Chunk, Collection, Document, Provider, TokenCount, Verdict
from orbit.testing.contract.samples import ARGUMENTS
from orbit.testing.contract.subject import CONTEXT

_TURNS: Final = 5
"""Turns of the event loop that a call inside takes; others take one more each."""


class Wrapped:
    """One wrapper of a provider."""

    def __init__(self, name: str, wrapper: pluggy.HookImpl) -> None:
        """``name`` is that of the hook."""
        self.name = name
        self._wrapper = wrapper

    def around(self, call: Any) -> tuple[Any, str]:
        """Run the wrapper around ``call``: what it returns, and what is wrong with how it yields, or nothing."""
        arguments = {**ARGUMENTS[self.name], "context": CONTEXT}
        function: Callable[..., Generator[None, Any, Any]] = self._wrapper.function  # type: ignore[assignment]  # pluggy says object
        steps = function(*[arguments[name] for name in self._wrapper.argnames])
        try:
            next(steps)
        except StopIteration:
            return None, "never yields"
        result = pluggy.Result(call, None)
        try:
            steps.send(result if self._wrapper.hookwrapper else call)
        except StopIteration as end:
            return (result.get_result() if self._wrapper.hookwrapper else end.value), ""
        steps.close()
        return None, "yields more than once"


class Inside:
    """The call that a wrapper is put around; ``call`` is its coroutine or, of ``generate``, its stream."""

    def __init__(self, hook: str, number: int = 0, *, error: Exception | None = None, endless: bool = False) -> None:
        """``number`` makes results differ; with ``error`` the call raises it, and an ``endless`` one does not end."""
        self.begun = False
        self.ended = False
        self.result = _result(hook, number)
        self._number = number
        self._error = error
        self._endless = endless
        self.call: Any = self._stream() if hook == "generate" else self._coroutine()

    @property
    def dropped(self) -> bool:
        """Whether nobody has awaited or closed the coroutine, of which Python would warn."""
        return inspect.iscoroutine(self.call) and inspect.getcoroutinestate(self.call) == inspect.CORO_CREATED

    def close(self) -> None:
        """Let go of a coroutine that was dropped."""
        if self.dropped:
            self.call.close()

    async def aclose(self) -> None:
        """Close the call, whatever it is."""
        self.close()
        if inspect.isasyncgen(self.call):
            await self.call.aclose()

    async def _coroutine(self) -> Any:
        self.begun = True
        try:
            await self._work()
        finally:
            self.ended = True
        return self.result

    async def _stream(self) -> AsyncIterator[Chunk]:
        self.begun = True
        try:
            for chunk in self.result[:2]:
                yield chunk
            await self._work()
            yield self.result[2]
        finally:
            self.ended = True

    async def _work(self) -> None:
        for _ in range(_TURNS + self._number):
            await asyncio.sleep(0)
        if self._error is not None:
            raise self._error
        if self._endless:
            await asyncio.Event().wait()


def wrapped_hooks(provider: Provider) -> list[Wrapped]:
    """Return the wrappers of a provider, of hooks that a host awaits or iterates."""
    found = []
    for hook in ARGUMENTS:
        function = getattr(provider, hook, None)
        marks: Any = getattr(function, "orbit_impl", {})
        if function is not None and (marks.get("wrapper") or marks.get("hookwrapper")):
            found.append(Wrapped(hook, pluggy.HookImpl(provider, provider.name, function, marks)))
    return found


def _result(hook: str, number: int) -> Any:
    """Return what a hook could give."""
    if hook == "embed":
        import numpy as np  # noqa: PLC0415  # only suites of plugins that wrap embed need numpy

        return np.full((1, 4), number, dtype=np.float32)
    documents = [Document(f"contract-{number}", "Tea is steeped.", score=0.5)]
    results: dict[str, Any] = {
        "generate": [Chunk("Tea "), Chunk(f"is steeped {number}."), Chunk(finish_reason="stop")],
        "count_tokens": TokenCount(number, 4096),
        "retrieve": documents,
        "rerank": documents,
        "index": number,
        "drop": True,
        "forget": number,
        "list_sources": {f"{number}.md": "1"},
        "list_collections": [Collection("contract", number)],
        "adopt": Collection("contract", number),
        "moderate": Verdict(allowed=True, reason=str(number)),
    }
    return results.get(hook)
