"""The rate limit of a key: requests a minute, and how many remain."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

RATE_WINDOW = 60
"""Seconds over which ``requests_per_minute`` is counted."""


class Quota(msgspec.Struct, frozen=True):
    """The result of counting one request: whether it may pass, and how many remain.

    ``reset`` is the time in seconds until the oldest counted requests leave the window. ``second`` is the Unix second
    under which the request was counted.
    """

    allowed: bool
    limit: int
    remaining: int
    reset: int
    second: int = 0

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the ``RateLimit`` headers in ASGI's form."""
        return [
            (b"ratelimit-limit", b"%d" % self.limit),
            (b"ratelimit-remaining", b"%d" % self.remaining),
            (b"ratelimit-reset", b"%d" % self.reset),
            (b"ratelimit-policy", b"%d;w=%d" % (self.limit, RATE_WINDOW)),
        ]


def window_start(now: float) -> int:
    """Return the first second that counts at a time."""
    return int(now) - RATE_WINDOW


def quota(limit: int, counts: Sequence[tuple[int, int]], now: float, *, allowed: bool) -> Quota:
    """Return the remaining quota. ``counts`` are ``(second, number)`` within the window, oldest first."""
    used = sum(number for _, number in counts)
    oldest = counts[0][0] if counts else int(now)
    reset = max(1, oldest + RATE_WINDOW + 1 - int(now))
    return Quota(allowed=allowed, limit=limit, remaining=max(0, limit - used), reset=reset, second=int(now))
