"""Runs wrappers without the host, around calls that record whether they began and ended.

The host closes streams and coroutines that wrappers forget. These classes do not, so that the mistake shows.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Generator
from typing import Any, Final

import pluggy

from orbit import Chunk, Collection, Document, Model, Provider, TokenCount, Verdict
from orbit.testing.contract.samples import ARGUMENTS
from orbit.testing.contract.subject import CONTEXT

_TURNS: Final = 5
"""Iterations of the event loop that an inner call takes, plus the call's number."""


_OF_GENERATE: Final[dict[str, Any]] = {"question": "How is tea made?", "documents": (), "provider": "contract"}
"""What wrappers of ``generate`` may ask for beside the arguments that every provider takes."""


class Wrapped:
    """One wrapper of a provider."""

    def __init__(self, name: str, wrapper: pluggy.HookImpl) -> None:
        """Take the name of the hook and its wrapper."""
        self.name = name
        self._wrapper = wrapper

    def around(self, call: Any) -> tuple[Any, str]:
        """Run the wrapper around ``call``. Returns its result, and the mistake in how it yields or an empty string."""
        arguments = {**ARGUMENTS[self.name], "context": CONTEXT, **(_OF_GENERATE if self.name == "generate" else {})}
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
    """The inner call of a wrapper. ``call`` is its coroutine, or for ``generate`` its stream."""

    def __init__(self, hook: str, number: int = 0, *, error: Exception | None = None, endless: bool = False) -> None:
        """Make a call whose result depends on ``number``, or which raises ``error``, or never ends if ``endless``."""
        self.begun = False
        self.ended = False
        self.result = _result(hook, number)
        self._number = number
        self._error = error
        self._endless = endless
        self.call: Any = self._stream() if hook == "generate" else self._coroutine()

    @property
    def dropped(self) -> bool:
        """Whether nobody has awaited or closed the coroutine. Python would warn about it."""
        return inspect.iscoroutine(self.call) and inspect.getcoroutinestate(self.call) == inspect.CORO_CREATED

    def close(self) -> None:
        """Close the coroutine if the wrapper dropped it."""
        if self.dropped:
            self.call.close()

    async def aclose(self) -> None:
        """Close the coroutine or the stream."""
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
    """Return a provider's wrappers of the hooks that return a coroutine or a stream."""
    found = []
    for hook in ARGUMENTS:
        function = getattr(provider, hook, None)
        marks: Any = getattr(function, "orbit_impl", {})
        if function is not None and (marks.get("wrapper") or marks.get("hookwrapper")):
            found.append(Wrapped(hook, pluggy.HookImpl(provider, provider.name, function, marks)))
    return found


def _result(hook: str, number: int) -> Any:
    """Return a sample result of a hook."""
    if hook == "embed":
        import numpy as np  # noqa: PLC0415  # only suites of plugins that wrap embed need numpy

        return np.full((1, 4), number, dtype=np.float32)
    documents = [Document(f"contract-{number}", "Tea is steeped.", score=0.5)]
    results: dict[str, Any] = {
        "generate": [Chunk("Tea "), Chunk(f"is steeped {number}."), Chunk(finish_reason="stop")],
        "models": [Model(f"contract-{number}")],
        "count_tokens": TokenCount(number, 4096),
        "retrieve": documents,
        "rerank": documents,
        "index": number,
        "drop": True,
        "forget": number,
        "list_sources": {f"{number}.md": "1"},
        "list_passages": documents,
        "list_collections": [Collection("contract", number)],
        "copy": number,
        "rename": True,
        "adopt": Collection("contract", number),
        "moderate": Verdict(allowed=True, reason=str(number)),
    }
    return results.get(hook)
