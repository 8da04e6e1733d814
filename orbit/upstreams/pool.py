"""Load balancing and retries over the servers of one provider instance."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, TypeVar

from orbit.errors import OrbitError, ProviderError
from orbit.types import CallContext, Health, HealthStatus
from orbit.upstreams.addresses import Address
from orbit.upstreams.failures import Busy, WrongCertificate, is_too_much

T = TypeVar("T")

_FAULTS_OF_SERVER: Final = ("unavailable", "timeout", "overloaded")
_FIRST_COOLDOWN, _LONGEST_COOLDOWN = 1.0, 30.0
_LONGEST_PAUSE: Final = 5.0
"""Longest pause before a retry, in seconds. The client should wait by itself for longer ones."""
_RETRY_BURST, _RETRY_SHARE = 10.0, 0.1


class Server:
    """One server: the number of running calls, and how long to avoid it after a failure."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.url = str(address)
        self.names: dict[str, str] = {}
        """Configured model names -> the server's spelling, if it differs."""
        self.in_flight = 0
        self.avoided_until = 0.0
        self._cooldown = _FIRST_COOLDOWN

    def succeeded(self) -> None:
        """Record a success, which ends the cooldown."""
        self.avoided_until, self._cooldown = 0.0, _FIRST_COOLDOWN

    def failed(self, error: ProviderError) -> None:
        """Record an error. If the server caused it, avoid the server for 1 s, then 2, up to 30."""
        if error.kind in _FAULTS_OF_SERVER or isinstance(error, WrongCertificate):
            requested = error.seconds if isinstance(error, Busy) else None
            self.avoided_until = time.monotonic() + min(requested or self._cooldown, _LONGEST_COOLDOWN)
            self._cooldown = min(self._cooldown * 2, _LONGEST_COOLDOWN)

    @contextmanager
    def call(self) -> Iterator[None]:
        """Count a running call and record its outcome."""
        self.in_flight += 1
        try:
            yield
        except ProviderError as error:
            self.failed(error)
            raise
        else:
            self.succeeded()
        finally:
            self.in_flight -= 1


class ServerPool:
    """All servers of an instance and their shared retry budget.

    Retries add at most a tenth to the calls, in bursts of up to ten: if everything fails, retrying everything makes it
    worse.
    """

    def __init__(self, addresses: Sequence[Address], max_retries: int, delay: float) -> None:
        self.servers = [Server(address) for address in addresses]
        self.max_retries = max_retries
        self.delay = delay
        self.retry_budget = _RETRY_BURST

    def attempts(self, context: CallContext) -> Attempts:
        """Begin a call."""
        self.retry_budget = min(_RETRY_BURST, self.retry_budget + _RETRY_SHARE)
        return Attempts(self, context)

    async def ask(self, context: CallContext, call: Callable[[Server], Awaitable[T]]) -> T:
        """Return what one server answers to a call, with retries. For answers that stream, use ``attempts``.

        A text that is too long for the model is no fault of a server, so it is not tried again.
        """
        attempts = self.attempts(context)
        while True:
            server = attempts.next()
            try:
                with server.call():
                    return await call(server)
            except ProviderError as error:
                if is_too_much(error):
                    raise
                await attempts.retry_after(error)

    async def health(self, ask: Callable[[Server], Awaitable[object]], detail: str) -> Health:
        """Ask every server. Down if none responds, degraded if one raises ProviderError; else ok with ``detail``."""
        errors = await asyncio.gather(*(_failure(ask, server) for server in self.servers))
        failures = [error for error in errors if error is not None]
        if not failures:
            return Health(detail=detail)
        away = [error for error in failures if error.kind in _FAULTS_OF_SERVER]
        status: HealthStatus = "down" if len(away) == len(errors) else "degraded"
        return Health(status, " ".join(error.message for error in failures))

    def least_busy(self, tried: set[Address]) -> Server:
        """Return the best server: untried before tried, healthy before failing, then the one with the fewest calls."""
        now = time.monotonic()
        return min(
            self.servers,
            key=lambda one: (one.address in tried, one.avoided_until > now, one.in_flight, random.random()),  # noqa: S311  # no secret
        )


async def _failure(ask: Callable[[Server], Awaitable[object]], server: Server) -> ProviderError | None:
    try:
        await ask(server)
    except ProviderError as error:
        return error
    return None


class Attempts:
    """The attempts of one call, until its first byte."""

    def __init__(self, pool: ServerPool, context: CallContext) -> None:
        self._pool = pool
        self._context = context
        self._tried: set[Address] = set()
        self._retries = 0

    def next(self) -> Server:
        """Return the server for the next attempt."""
        server = self._pool.least_busy(self._tried)
        self._tried.add(server.address)
        return server

    async def retry_after(self, error: ProviderError, problem: OrbitError | None = None) -> None:
        """Wait until the next attempt, or raise ``error`` if a retry is pointless or the budget is used up.

        Another server is tried at once, even for a model that this one does not have. The same server is tried again
        only if it is unreachable or busy, after a pause. Timeouts are not retried: the time is used up, and the server
        still works on the first call.

        ``problem`` is the error for the client, such as ``blamed`` returns it. If it is another one, it is raised.
        """
        if problem is not None and problem is not error:
            raise problem from error
        error.retried = True  # if it reaches the client, retrying again is pointless
        pool = self._pool
        elsewhere = len(self._tried) < len(pool.servers)
        passing = error.retryable and error.kind in ("unavailable", "overloaded")
        only_here = error.kind == "not_found" or isinstance(error, WrongCertificate)
        only_here |= error.retryable and error.kind == "failed"
        if not (passing or (elsewhere and only_here)) or self._retries >= pool.max_retries:
            raise error
        pause = 0.0
        if not elsewhere:
            pause = pool.delay * 2**self._retries * random.uniform(0.5, 1.0)  # noqa: S311  # jitter is no secret
            if isinstance(error, Busy) and error.seconds is not None:
                pause = max(pause, error.seconds)
        remaining = self._context.remaining()
        if pause > _LONGEST_PAUSE or (remaining is not None and pause >= remaining) or pool.retry_budget < 1:
            raise error
        pool.retry_budget -= 1
        self._retries += 1
        await asyncio.sleep(pause)


def seconds_left(seconds: float, context: CallContext) -> float:
    """Return ``seconds``, or the time until the request's deadline if that is shorter."""
    remaining = context.remaining()
    return seconds if remaining is None else min(seconds, remaining)
