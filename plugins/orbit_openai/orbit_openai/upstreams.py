"""The servers of an instance: which one is asked, which is left alone for a while, and when another try is made."""

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from orbit import CallContext, ProviderError
from orbit.upstreams import Address, Busy, WrongCertificate

_OF_THE_SERVER = ("unavailable", "timeout", "overloaded")
_FIRST_REST, _LONGEST_REST = 1.0, 30.0
_LONGEST_PAUSE = 5.0
"""Seconds that a caller waits for another attempt; longer ones are the client's to wait."""
_RETRIES_AT_ONCE, _RETRIES_PER_CALL = 10.0, 0.1


class Upstream:
    """One server: how much it is doing for us, and until when it is left alone."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.url = str(address)
        self.names: dict[str, str] = {}
        """Configured names of models -> the server's, where it writes them differently."""
        self.in_flight = 0
        self.rests_until = 0.0
        self._rest = _FIRST_REST

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Count a call, and learn from how it ends."""
        self.in_flight += 1
        try:
            yield
        except ProviderError as error:
            if error.kind in _OF_THE_SERVER or isinstance(error, WrongCertificate):
                wanted = error.seconds if isinstance(error, Busy) else None
                self.rests_until = time.monotonic() + min(wanted or self._rest, _LONGEST_REST)
                self._rest = min(self._rest * 2, _LONGEST_REST)
            raise
        else:
            self.rests_until, self._rest = 0.0, _FIRST_REST
        finally:
            self.in_flight -= 1


class Upstreams:
    """All servers of an instance, and how many retries may still be made.

    Retries add a tenth to the calls at most, and ten at once: when everything fails, trying all of it again makes
    it worse.
    """

    def __init__(self, addresses: Sequence[Address], max_retries: int, delay: float) -> None:
        self.all = [Upstream(address) for address in addresses]
        self.max_retries = max_retries
        self.delay = delay
        self.retries_left = _RETRIES_AT_ONCE

    def attempts(self, context: CallContext) -> "Attempts":
        """Begin a call."""
        self.retries_left = min(_RETRIES_AT_ONCE, self.retries_left + _RETRIES_PER_CALL)
        return Attempts(self, context)

    def least_busy(self, tried: set[Address]) -> Upstream:
        """Return a server: rather a new one than one that was tried, a rested than a resting, an idle than a busy."""
        now = time.monotonic()
        return min(
            self.all,
            key=lambda one: (one.address in tried, one.rests_until > now, one.in_flight, random.random()),  # noqa: S311  # no secret
        )


class Attempts:
    """The attempts of one call, until its first byte."""

    def __init__(self, upstreams: Upstreams, context: CallContext) -> None:
        self._upstreams = upstreams
        self._context = context
        self._tried: set[Address] = set()
        self._count = 0

    def next(self) -> Upstream:
        """Return the server to ask."""
        upstream = self._upstreams.least_busy(self._tried)
        self._tried.add(upstream.address)
        return upstream

    async def again(self, error: ProviderError) -> None:
        """Wait until another attempt may be made, or raise ``error`` if there is none.

        Another server is asked at once; the same one only if it cannot be reached or is busy, after a pause or when
        it said that it may be asked again. A timeout is not tried again: the time is gone, and the server still works
        on the first call.
        """
        error.retried = True  # should it be raised, clients need not try again
        upstreams = self._upstreams
        elsewhere = len(self._tried) < len(upstreams.all)
        passing = error.retryable and error.kind in ("unavailable", "overloaded")
        of_the_server = error.kind == "not_found" or isinstance(error, WrongCertificate)
        of_the_server |= error.retryable and error.kind == "failed"
        worth_it = passing or (elsewhere and of_the_server)
        if not worth_it or self._count >= upstreams.max_retries:
            raise error
        pause = 0.0
        if not elsewhere:
            pause = upstreams.delay * 2**self._count * random.uniform(0.5, 1.0)  # noqa: S311  # jitter is no secret
            if isinstance(error, Busy) and error.seconds is not None:
                pause = max(pause, error.seconds)
        remaining = self._context.remaining()
        if pause > _LONGEST_PAUSE or (remaining is not None and pause >= remaining) or upstreams.retries_left < 1:
            raise error
        upstreams.retries_left -= 1
        self._count += 1
        await asyncio.sleep(pause)
