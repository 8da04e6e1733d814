"""The contract of wrappers: hooks that a plugin marks with ``@orbit.hookimpl(wrapper=True)``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any, Final

import pytest

from orbit import Chunk, OrbitError, ProviderError
from orbit.testing.contract import calls
from orbit.testing.contract.leftovers import until
from orbit.testing.contract.promise import Promise, kind, told
from orbit.testing.contract.provider import BaseProviderContract
from orbit.testing.contract.subject import Subject
from orbit.testing.contract.wrapped import Inside, Wrapped, wrapped_hooks

_SIDES: Final = 4
_RETURN: Final = "write `return self._measured((yield))`, where _measured awaits what it gets and returns the result"
_CLOSE: Final = "read the stream within `async with contextlib.aclosing(stream):`"


class BaseWrapperContract(BaseProviderContract):
    """The contract of plugins that wrap other plugins' hooks, for hooks that return a coroutine or a stream."""

    @pytest.fixture
    def wrapped(self, subject: Subject) -> list[Wrapped]:
        """Return the hooks that the provider wraps."""
        return wrapped_hooks(subject.provider)

    async def test_wrapper_yields_once(self, promise: Promise, wrapped: list[Wrapped]) -> None:
        """A wrapper yields once, and returns what the host can await or, of `generate`, iterate."""
        if not wrapped:
            promise.broken("the host sees no wrapper", "mark one with @orbit.hookimpl(wrapper=True)")
        for hook in wrapped:
            inside = Inside(hook.name)
            returned = _entered(promise, hook, inside)
            if not hasattr(returned, "__aiter__" if hook.name == "generate" else "__await__"):
                inside.close()
                promise.broken(f"of {hook.name} it returned {kind(returned)}", _RETURN)
            await calls.answered(promise, partial(_read, returned))
            inside.close()

    async def test_wrapper_awaits_what_it_gets(self, promise: Promise, wrapped: list[Wrapped]) -> None:
        """A wrapper awaits the call that `yield` gives it, to its end, or closes it; and it returns a result."""
        for hook in wrapped:
            inside = Inside(hook.name)
            value = await calls.answered(promise, partial(_read, _entered(promise, hook, inside)))
            dropped, begun, ended = inside.dropped, inside.begun, inside.ended
            inside.close()
            if dropped:
                promise.broken(f"the call of {hook.name} inside was dropped", _RETURN)
            if begun and not ended:
                promise.broken(f"the call of {hook.name} inside was left before its end", _RETURN)
            if value is None and inside.result is not None:
                promise.broken(f"of {hook.name} came None instead of {kind(inside.result)}", _RETURN)

    async def test_wrapper_passes_errors_on(self, promise: Promise, wrapped: list[Wrapped]) -> None:
        """An error of the call inside reaches the caller, as an error of ORBIT."""
        mend = "re-raise what the call raises: `except Exception: ...; raise`"
        for hook in wrapped:
            inside = Inside(hook.name, error=ProviderError("the contract says so.", kind="timeout", retryable=True))
            try:
                async with asyncio.timeout(calls.ANSWER_SECONDS):
                    value = await _read(_entered(promise, hook, inside))
            except OrbitError:
                continue
            except Exception as error:  # noqa: BLE001  # plugin code can raise anything
                promise.broken(f"of {hook.name} it became {told(error)}", mend)
            finally:
                inside.close()
            if inside.begun:
                promise.broken(f"of {hook.name} came {kind(value)} instead", mend)

    async def test_wrapper_closes_its_stream(self, promise: Promise, wrapped: list[Wrapped]) -> None:
        """Closing the stream that a wrapper returns closes the one inside, at once."""
        hook = next((one for one in wrapped if one.name == "generate"), None)
        if hook is None:
            promise.untold("since the provider does not wrap generate")
        inside = Inside("generate")
        stream: AsyncGenerator[Chunk, None] = _entered(promise, hook, inside)
        await calls.answered(promise, lambda: anext(stream))
        if not hasattr(stream, "aclose"):
            inside.close()
            promise.broken(f"it returned {kind(stream)}, which cannot be closed", _CLOSE)
        await calls.answered(promise, stream.aclose)
        closed = inside.ended
        await inside.aclose()
        if not closed:
            promise.broken("the one inside stayed open", _CLOSE)

    async def test_wrapper_can_be_cancelled(self, promise: Promise, wrapped: list[Wrapped], patience: float) -> None:
        """A cancelled call ends at once, and the call inside with it."""
        for hook in wrapped:
            await calls.cancelled(promise, partial(_called, promise, hook), patience)
            inside = Inside(hook.name, endless=True)
            call = asyncio.ensure_future(_read(_entered(promise, hook, inside)))
            await until(partial(_is_under_way, inside, call), calls.ANSWER_SECONDS)
            call.cancel()
            await asyncio.wait([call], timeout=patience)
            if not call.done() or (inside.begun and not inside.ended):
                await inside.aclose()
                promise.broken(f"the call of {hook.name} inside went on", "await it in the same task")

    async def test_wrapper_side_by_side(self, promise: Promise, wrapped: list[Wrapped]) -> None:
        """Concurrent calls do not affect each other: each returns the result of its own call."""
        for hook in wrapped:
            invokes = [partial(_called, promise, hook, number) for number in range(_SIDES)]
            await calls.side_by_side(promise, invokes, lambda one, other: repr(one) == repr(other))

    async def test_wrapper_leaves_nothing_running(
        self, promise: Promise, wrapped: list[Wrapped], patience: float
    ) -> None:
        """Nothing keeps running after the call."""
        for hook in wrapped:
            await calls.left_alone(promise, partial(_called, promise, hook), patience)


def _entered(promise: Promise, hook: Wrapped, inside: Inside) -> Any:
    """Run a wrapper around a call, and return its result without awaiting it."""
    returned, mistake = hook.around(inside.call)
    if mistake:
        inside.close()
        promise.broken(f"of {hook.name} it {mistake}", _RETURN)
    return returned


async def _called(promise: Promise, hook: Wrapped, number: int = 0) -> Any:
    """Complete a call through a wrapper. ``number`` distinguishes its result from those of other calls."""
    inside = Inside(hook.name, number)
    try:
        return await _read(_entered(promise, hook, inside))
    finally:
        inside.close()


def _is_under_way(inside: Inside, call: asyncio.Future[Any]) -> bool:
    return inside.begun or call.done()


async def _read(returned: Any) -> Any:
    if hasattr(returned, "__aiter__"):
        return [item async for item in returned]
    return await returned
