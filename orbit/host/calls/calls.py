"""Calls hooks of named providers. Each call has a deadline, and each error names the instance."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from orbit.errors import ConfigError, OrbitError, PromptTooLong, ProviderError
from orbit.host.calls.interrupt import Deadline
from orbit.host.calls.work import Work

T = TypeVar("T")
logger = logging.getLogger("orbit.plugins")

_RAISED_BY = "__orbit_instance__"


class Outcome(msgspec.Struct, Generic[T], frozen=True):
    """What one provider made of a call: a value or an error, and the seconds it took."""

    provider: str
    seconds: float
    value: T | None = None
    error: OrbitError | None = None


WHATEVER_A_HOOK_RAISES = (Exception, BaseExceptionGroup, SystemExit)
"""Also what a plugin's library raises to end the process: a hook that fails ends its turn and nothing else."""


def leaf_of(error: BaseException) -> BaseException:
    """Return the error that a task group wraps; of several, one of ORBIT's own."""
    while isinstance(error, BaseExceptionGroup):
        own = error.subgroup(OrbitError)
        error = (own or error).exceptions[0]
    return error


def mark(error: BaseException, instance: str) -> None:
    """Note on an error which instance's code raised it, unless that is noted already."""
    if not hasattr(error, _RAISED_BY):
        setattr(error, _RAISED_BY, instance)


def raised_by(error: BaseException, otherwise: str) -> str:
    """Return the instance that an error is marked with."""
    return str(getattr(error, _RAISED_BY, otherwise))


def failure_of(error: BaseException, provider: str, operation: str) -> ProviderError | PromptTooLong:
    """Return a hook's error for its caller: PromptTooLong, which the client can mend, or the provider's failure."""
    leaf = leaf_of(error)
    if leaf is not error:
        mark(leaf, raised_by(error, provider))
    return leaf if isinstance(leaf, PromptTooLong) else attributed(leaf, provider, operation)


def attributed(error: BaseException, provider: str, operation: str) -> ProviderError:
    """Return ``error`` as a ProviderError of this provider and operation.

    An error that ``mark`` has marked belongs to the instance of its mark. The text of unexpected exceptions goes to
    the log only: it may hold what clients must not see.
    """
    provider = raised_by(error, provider)
    if isinstance(error, ProviderError):
        error.provider = error.provider or provider
        error.operation = error.operation or operation
        return error
    if isinstance(error, ConfigError):
        return ProviderError(str(error), provider=provider, operation=operation)
    logger.error("%s.%s raised %s", provider, operation, type(error).__name__, exc_info=error)
    unexpected = ProviderError(
        f"it failed unexpectedly ({type(error).__name__}); the server's log has the details.",
        provider=provider,
        operation=operation,
    )
    unexpected.__cause__ = error
    return unexpected


def too_slow(provider: str, operation: str, seconds: float) -> ProviderError:
    """Return the error for a deadline that passed."""
    return ProviderError(
        f"no answer within {seconds:g} s.",
        kind="timeout",
        retryable=True,
        retried=True,  # the time is gone, and the provider may have retried within it
        provider=provider,
        operation=operation,
    )


def lacks_collection(error: object, hook: str) -> bool:
    """Return whether a store lacks the collection that ``hook`` names. A part that it asks may lack something, too."""
    return isinstance(error, ProviderError) and error.kind == "not_found" and error.operation in ("", hook)


def wrong_type(provider: str, operation: str, expected: str, value: object) -> ProviderError:
    """Return the error for a hook that returned something else than its specification says."""
    return ProviderError(
        f"the hook returned {_kind(value)} instead of {expected}; this is a mistake in the plugin.",
        provider=provider,
        operation=operation,
    )


async def call(
    provider: str, operation: str, invoke: Callable[[], Awaitable[T]], seconds: float, work: Work | None = None
) -> T:
    """Await one hook with a deadline in seconds, which ``work`` may start again.

    Raises ProviderError with the provider's name, or PromptTooLong.
    """
    deadline = Deadline(seconds)
    if work is not None:
        work.deadline = deadline
    try:
        return await invoke()
    except asyncio.CancelledError as error:
        if deadline.take_back():
            raise too_slow(raised_by(error, provider), operation, seconds) from error
        if deadline.wanted_by_others():
            raise
        raise failure_of(error, provider, operation) from error
    except WHATEVER_A_HOOK_RAISES as error:
        deadline.end()
        deadline.forget_leaked(error)
        raised = failure_of(error, provider, operation)
        if raised is error:
            raise
        raise raised from error
    finally:
        deadline.end()


async def fan_out(
    operation: str, invocations: Sequence[tuple[str, Callable[[], Awaitable[T]]]], seconds: float
) -> list[Outcome[T]]:
    """Call providers, each by its name, at the same time and each with its deadline; outcomes keep the order."""

    async def one(provider: str, invoke: Callable[[], Awaitable[T]]) -> Outcome[T]:
        started = time.perf_counter()
        try:
            value = await call(provider, operation, invoke, seconds)
        except OrbitError as error:
            return Outcome(provider, time.perf_counter() - started, error=error)
        return Outcome(provider, time.perf_counter() - started, value)

    if len(invocations) == 1:  # no task for the common case
        return [await one(*invocations[0])]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(provider, invoke)) for provider, invoke in invocations]
    return [task.result() for task in tasks]


async def settled(work: Callable[[], Awaitable[T]]) -> tuple[T | None, Exception | None]:
    """Return the value of ``work`` or its error, so that the other tasks of a task group go on."""
    try:
        return await work(), None
    except Exception as error:  # noqa: BLE001  # the caller raises it when its turn has come
        return None, error


def is_list_of(value: Any, kind: type) -> bool:
    """Return whether ``value`` is a list or tuple of ``kind`` only."""
    return isinstance(value, list | tuple) and all(isinstance(item, kind) for item in value)


def _kind(value: object) -> str:
    """Return the type of a value, and the types of its items if it is a list."""
    if not isinstance(value, list | tuple):
        return "None" if value is None else type(value).__name__
    kinds = ", ".join(sorted({type(item).__name__ for item in value}))
    return f"a {type(value).__name__} of {kinds}" if kinds else type(value).__name__
