"""The servers an instance may ask: which one is asked, and when another one is tried."""

import random
import time

from orbit import ProviderError
from orbit.upstreams import Address, Busy, WrongCertificate

_REST_SECONDS = (1.0, 30.0)
_LONGEST_PAUSE = 5.0
"""Seconds that a caller waits for another attempt; longer ones are the client's to wait."""


class Server:
    """What is known of one server."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.url = str(address)
        self.names: dict[str, str] = {}
        """Configured names of models -> the server's, where it writes them differently."""
        self.in_flight = 0
        self._failures = 0
        self._resting_until = 0.0

    @property
    def healthy(self) -> bool:
        """Whether the server may be asked: it has not failed lately, or has rested long enough for another try."""
        return time.monotonic() >= self._resting_until

    def succeeded(self) -> None:
        """Note that the server answered."""
        self._failures, self._resting_until = 0, 0.0

    def failed(self, error: ProviderError) -> None:
        """Note an error. One that tells of the server, not of the request, lets it rest: 1 s, then 2, up to 30."""
        if error.kind in ("unavailable", "timeout", "overloaded") or isinstance(error, WrongCertificate):
            first, longest = _REST_SECONDS
            wanted = error.seconds if isinstance(error, Busy) else None
            self._resting_until = time.monotonic() + min(wanted or first * 2**self._failures, longest)
            self._failures = min(self._failures + 1, 10)


def least_loaded(servers: list[Server], tried: set[Address]) -> Server:
    """Return the healthy server with the fewest requests, one not tried before if there is one.

    If none is healthy, the one that has the fewest requests is asked all the same: refusing is its own business.
    """
    fresh = [server for server in servers if server.address not in tried] or servers
    healthy = [server for server in fresh if server.healthy] or fresh
    fewest = min(server.in_flight for server in healthy)
    return random.choice([server for server in healthy if server.in_flight == fewest])  # noqa: S311  # no secret


class RetryBudget:
    """Retries may add a tenth to the load, and ten at once: when all fails, retrying everything makes it worse."""

    _SHARE, _MOST = 0.1, 10.0

    def __init__(self) -> None:
        self._left = self._MOST

    def request(self) -> None:
        """Note a request that is no retry."""
        self._left = min(self._MOST, self._left + self._SHARE)

    def take(self) -> bool:
        """Return whether a retry may be made, and count it."""
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Retries:
    """The attempts of one call: where each goes, and whether there is another."""

    def __init__(self, servers: list[Server], budget: RetryBudget, most: int, delay: float) -> None:
        self._servers = servers
        self._budget = budget
        self._left = most
        self._delay = delay
        self._tried: set[Address] = set()
        budget.request()

    def server(self) -> Server:
        """Return the server for the next attempt."""
        server = least_loaded(self._servers, self._tried)
        self._tried.add(server.address)
        return server

    def pause(self, error: ProviderError, remaining: float | None) -> float:
        """Return the seconds to wait before another attempt, or raise ``error`` if there is none.

        Only for a failure before the first byte. Another server is asked at once, even for a model that this one does
        not have; the same one only if it cannot be reached or is busy, and it is given time. A timeout is not retried:
        the time is gone, and the server still works.
        """
        error.retried = True  # should it be raised, clients need not try again
        elsewhere = any(server.address not in self._tried for server in self._servers)
        passing = error.retryable and error.kind in ("unavailable", "overloaded")
        of_the_server = error.kind == "not_found" or isinstance(error, WrongCertificate)
        of_the_server |= error.retryable and error.kind == "failed"
        worth_it = passing or (elsewhere and of_the_server)
        if not worth_it or self._left < 1:
            raise error
        pause = 0.0
        if not elsewhere:
            pause = self._delay * random.uniform(0.5, 1.0)  # noqa: S311  # jitter is no secret
            self._delay *= 2
            if isinstance(error, Busy) and error.seconds is not None:
                pause = max(pause, error.seconds)
        if pause > _LONGEST_PAUSE or (remaining is not None and pause >= remaining) or not self._budget.take():
            raise error
        self._left -= 1
        return pause
