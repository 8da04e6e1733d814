"""Rules for the calls of every hook: errors, cancellation, deadlines, concurrency and the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from orbit import CallContext, OrbitError, PromptTooLong, ProviderError
from orbit.testing.contract.leftovers import left, running
from orbit.testing.contract.promise import Promise, told
from orbit.testing.contract.subject import CONTEXT, Subject

Invoke: TypeAlias = Callable[[], Awaitable[Any]]
"""Makes a new call each time."""

ANSWER_SECONDS: Final = 60.0
"""Longest time for a call that works. No rule checks speed: this only ends a call that hangs."""

STALL_SECONDS: Final = 1.0
"""Longest time that a hook may block the event loop. Generous, for busy machines."""

_BEAT_SECONDS: Final = 0.01
_TURNS: Final = (1, 2, 5, 20, 100)
"""Iterations of the event loop after which the rule cancels a call, one call for each number."""

_RAISE: Final = "raise orbit.ProviderError with a sentence for operators instead"


def offered(promise: Promise, subject: Subject, hook: str) -> None:
    """Check that the host finds the hook."""
    if not subject.implements(hook):
        promise.broken(
            "the host does not see it",
            f"put @orbit.hookimpl above {hook}, and look what offers({hook!r}) returns with the fixture settings",
        )


async def answered(promise: Promise, invoke: Invoke) -> Any:
    """Return the result of a call. Fails the rule if the call raises anything."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await invoke()
    except TimeoutError:
        promise.broken(f"the call had not ended after {ANSWER_SECONDS:g} s", "look what it waits for")
    except Exception as error:  # noqa: BLE001  # plugin code can raise anything
        promise.broken(f"the call raised {told(error)}", "mend what raises there")


async def attempted(promise: Promise, invoke: Invoke) -> Any:
    """Return the result of a call, or None if it raises a permitted error, such as ProviderError."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await invoke()
    except (ProviderError, PromptTooLong):
        return None
    except TimeoutError:
        promise.broken(f"the call had not ended after {ANSWER_SECONDS:g} s", "look what it waits for")
    except Exception as error:  # noqa: BLE001  # plugin code can raise anything
        promise.broken(f"the call raised {told(error)}", _RAISE)


async def cancelled(promise: Promise, invoke: Invoke, patience: float) -> None:
    """Cancel calls, each a little later than the one before. They must end as cancelled and leave no task."""
    await attempted(promise, invoke)  # whatever the first call starts may stay
    before = running()
    swallowed = 0
    for turns in _TURNS:
        call = asyncio.ensure_future(invoke())
        for _ in range(turns):
            await asyncio.sleep(0)
        if not call.cancel():
            break  # the call has ended already
        await asyncio.wait([call], timeout=patience)
        if not call.done():
            call.cancel()
            promise.broken(f"the call went on for {patience:g} s after that", "let asyncio.CancelledError pass")
        if call.cancelled():
            continue
        error = call.exception()
        if error is not None:
            promise.broken(
                f"it became {told(error)}", "catch Exception, not BaseException, and re-raise CancelledError"
            )
        swallowed += 1
        if swallowed > 1:  # a single one may have ended just before
            promise.broken("the call returned as if nothing had been", "let asyncio.CancelledError pass")
    if still := await left(before, patience, "tasks"):
        promise.broken(f"{still} still ran {patience:g} s later", "await or cancel in `finally` what the call starts")


async def ended_in_time(promise: Promise, invoke: Callable[[CallContext], Awaitable[Any]], patience: float) -> None:
    """Make calls with a deadline in the past, and with one that expires during the call."""
    await attempted(promise, lambda: invoke(_due(-1.0)))
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            try:
                async with asyncio.timeout(0.005):
                    await invoke(_due(0.005))
            except (TimeoutError, OrbitError):
                return
            except Exception as error:  # noqa: BLE001  # plugin code can raise anything
                promise.broken(f"the call raised {told(error)}", _RAISE)
    except TimeoutError:
        promise.broken(f"the call went on for {patience:g} s after that", "let asyncio.CancelledError pass")


async def side_by_side(
    promise: Promise, invokes: Sequence[Invoke], same: Callable[[Any, Any], bool] = lambda one, other: one == other
) -> list[tuple[Any, Any]]:
    """Make calls one by one, then concurrently. Each must return the same result, but may raise a retryable error.

    Returns each call's result alone and its result with the others, which is None after a retryable error.
    """
    pairs: list[tuple[Any, Any]] = []
    alone = [await answered(promise, invoke) for invoke in invokes]
    together = await asyncio.gather(*(invoke() for invoke in invokes), return_exceptions=True)
    for expected, value in zip(alone, together, strict=True):
        if isinstance(value, ProviderError) and value.retryable:
            pairs.append((expected, None))
            continue
        if isinstance(value, BaseException):
            promise.broken(
                f"one of {len(invokes)} at the same time raised {told(value)}",
                "keep what belongs to one call in local variables; where there is too much to do, raise a retryable "
                "ProviderError",
            )
        if not same(expected, value):
            promise.broken(
                f"a call got another result among {len(invokes)} at the same time than alone",
                "keep what belongs to one call in local variables, not in self",
            )
        pairs.append((expected, value))
    return pairs


async def left_alone(promise: Promise, invoke: Invoke, patience: float) -> None:
    """Complete some calls. They must leave no task or process."""
    await answered(promise, invoke)
    before = running()
    for _ in range(3):
        await answered(promise, invoke)
    if still := await left(before, patience, "tasks", "processes"):
        promise.broken(f"{still} still ran {patience:g} s later", "await or cancel in `finally` what a call starts")


async def shared_loop(promise: Promise, invoke: Invoke) -> None:
    """Check that a call does not block the event loop. Tries three times, because a busy machine can stall, too."""
    await attempted(promise, invoke)
    shortest = float("inf")
    for _ in range(3):
        shortest = min(shortest, await _stall(promise, invoke))
        if shortest <= STALL_SECONDS:
            return
    promise.broken(
        f"nothing else could run for {shortest:.1f} s during a call",
        "run what blocks or computes with asyncio.to_thread",
    )


async def told_of_the_outage(promise: Promise, invoke: Invoke) -> None:
    """Make a call while the service is down."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            value = await invoke()
    except ProviderError as error:
        if not error.retryable or error.kind not in ("unavailable", "timeout", "overloaded"):
            promise.broken(
                f"the error has kind='{error.kind}' and retryable={error.retryable}: {error.message.rstrip('.')}",
                'raise it with kind="unavailable" (or "timeout") and retryable=True',
            )
        return
    except TimeoutError:
        promise.broken(f"the call had not ended after {ANSWER_SECONDS:g} s", "give requests to the service a timeout")
    except Exception as error:  # noqa: BLE001  # plugin code can raise anything
        promise.broken(f"the call raised {told(error)}", _RAISE)
    promise.broken(f"the call returned {_brief(value)}", "raise orbit.ProviderError; an empty result is a lie here")


def unchanged(promise: Promise, before: Any, after: Any, what: str = "list") -> None:
    """Compare a hook's argument with a copy made before the call."""
    if before != after:
        promise.broken(f"the call changed the {what} that it was given", f"make a new {what}")


def _due(seconds: float) -> CallContext:
    return msgspec.structs.replace(CONTEXT, deadline=time.monotonic() + seconds)


async def _stall(promise: Promise, invoke: Invoke) -> float:
    """Make a call and return the longest time in seconds for which it blocked the event loop."""
    longest = 0.0

    async def beat() -> None:
        nonlocal longest
        last = time.perf_counter()
        while True:
            await asyncio.sleep(_BEAT_SECONDS)
            now = time.perf_counter()
            longest = max(longest, now - last - _BEAT_SECONDS)
            last = now

    beating = asyncio.create_task(beat())
    await asyncio.sleep(_BEAT_SECONDS)
    try:
        await attempted(promise, invoke)
        await asyncio.sleep(2 * _BEAT_SECONDS)
    finally:
        beating.cancel()
    return longest


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) < 80 else f"{text[:80]}..."  # noqa: PLR2004  # a length that reads well in a sentence
