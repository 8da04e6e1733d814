"""Calls a hook through its wrappers. Errors carry the name of the instance whose code raised them."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from operator import itemgetter
from typing import Any, cast

import pluggy

from orbit.errors import PromptTooLong, ProviderError
from orbit.host.calls.calls import attributed, mark, wrong_type
from orbit.host.plugins.verify import HOOKS
from orbit.types import Chunk, Fetched

Call = Callable[..., Any]

_PROVIDER = "provider"
"""The argument of ``generate`` that names the instance; only implementations that want it get it."""

_YIELDED: dict[str, type] = {"generate": Chunk, "fetch": Fetched}


def straight(implementation: pluggy.HookImpl) -> Call:
    """Return a function that calls an implementation without its wrappers. It takes arguments by name."""
    function, wanted = implementation.function, implementation.argnames
    if _PROVIDER in wanted:
        return partial(_named, function, wanted, implementation.plugin_name)

    if not wanted:
        return lambda **_: function()
    pick = itemgetter(*wanted)
    if len(wanted) == 1:
        return lambda **arguments: function(pick(arguments))
    return lambda **arguments: function(*pick(arguments))


def _named(_function: Call, _wanted: Sequence[str], _provider: str, /, **arguments: Any) -> Any:
    arguments[_PROVIDER] = _provider
    return _function(*[arguments[name] for name in _wanted])


def wrapped(hook: str, implementation: pluggy.HookImpl, wrappers: Sequence[pluggy.HookImpl]) -> Call:
    """Return a function that calls an implementation through ``wrappers``, innermost first. It takes arguments by name.

    pluggy could make this call, but not name the plugin that raised an error or returned a wrong type.
    """
    name = implementation.plugin_name
    layer = _owned(hook, name, straight(implementation))
    for wrapper in wrappers:
        layer = _owned(hook, wrapper.plugin_name, _around(hook, wrapper, layer))

    def call(**arguments: Any) -> Any:
        if hook == "generate":
            arguments[_PROVIDER] = name
        try:
            return layer(**arguments)
        except PromptTooLong:
            raise
        except Exception as error:
            raised = attributed(error, name, hook)
            if raised is error:
                raise
            raise raised from error

    return call


def _around(hook: str, wrapper: pluggy.HookImpl, inner: Call) -> Call:
    """Return a function that runs a wrapper's generator around the call of ``inner``."""
    name, wanted = wrapper.plugin_name, wrapper.argnames
    function = cast("Callable[..., Generator[None, Any, Any]]", wrapper.function)

    def call(**arguments: Any) -> Any:
        steps = function(*[arguments[argument] for argument in wanted])
        try:
            next(steps)
        except StopIteration:
            raise _mistake(hook, name, "never yields") from None
        outcome: pluggy.Result[Any] = pluggy.Result.from_call(lambda: inner(**arguments))
        try:
            if wrapper.hookwrapper:  # pluggy's older form changes the outcome in place
                steps.send(outcome)
            elif outcome.exception is not None:
                steps.throw(outcome.exception)
            else:
                steps.send(outcome.get_result())
        except StopIteration as end:
            if wrapper.hookwrapper:
                return outcome.get_result()
            if end.value is None:
                _discard(outcome)
            return _closing(end.value, outcome)
        except BaseException:
            _discard(outcome)
            raise
        steps.close()
        _discard(outcome)
        raise _mistake(hook, name, "yields more than once")

    return call


def _closing(value: Any, outcome: pluggy.Result[Any]) -> Any:
    """Return a wrapper's value. Closing a returned stream also closes the inner one, which wrappers often forget."""
    inner = None if outcome.exception is not None else outcome.get_result()
    if value is inner or not (inspect.isasyncgen(inner) and hasattr(value, "__aiter__")):
        return value

    async def stream() -> AsyncGenerator[Any, None]:
        try:
            async for item in value:
                yield item
        finally:
            if hasattr(value, "aclose"):
                await value.aclose()
            with suppress(RuntimeError):  # another task is reading it
                await inner.aclose()

    return stream()


def _owned(hook: str, name: str, layer: Call) -> Call:
    """Return the layer with its return type checked and its errors marked with the instance's name.

    Coroutines and streams run only when the caller awaits them: a wrapper may skip the inner call.
    """
    if inspect.isasyncgenfunction(HOOKS[hook]):
        return partial(_stream, hook, name, layer)
    return partial(_awaited if inspect.iscoroutinefunction(HOOKS[hook]) else _plain, hook, name, layer)


def _plain(_hook: str, _name: str, _layer: Call, /, **arguments: Any) -> Any:
    with _marking(_name):
        return _layer(**arguments)


async def _awaited(_hook: str, _name: str, _layer: Call, /, **arguments: Any) -> Any:
    with _marking(_name):
        value = _layer(**arguments)
        if not inspect.isawaitable(value):
            raise wrong_type(_name, _hook, "a coroutine", value)
        return await value


async def _stream(_hook: str, _name: str, _layer: Call, /, **arguments: Any) -> AsyncGenerator[Any, None]:
    with _marking(_name):
        items, kind = _layer(**arguments), _YIELDED[_hook]
        if not hasattr(items, "__aiter__"):
            raise wrong_type(_name, _hook, f"an async iterator of {kind.__name__}s", items)
        try:
            async for item in items:
                if type(item) is not kind:
                    raise wrong_type(_name, _hook, f"{kind.__name__}s", item)
                yield item
        finally:
            if hasattr(items, "aclose"):
                await items.aclose()


@contextmanager
def _marking(name: str) -> Iterator[None]:
    try:
        yield
    except (Exception, asyncio.CancelledError) as error:
        mark(error, name)
        raise


def _discard(outcome: pluggy.Result[Any]) -> None:
    """Close the coroutine that a failed wrapper never awaited, so that Python does not warn about it."""
    value = None if outcome.exception is not None else outcome.get_result()
    if inspect.iscoroutine(value) and inspect.getcoroutinestate(value) == inspect.CORO_CREATED:
        value.close()


def _mistake(hook: str, name: str, what: str) -> ProviderError:
    sentence = f"its wrapper of {hook} {what}, and has to yield once; this is a mistake in the plugin."
    return ProviderError(sentence, provider=name, operation=hook)
