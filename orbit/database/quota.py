"""The limit of a key: how many requests it may make in a minute, and what is left of them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

RATE_WINDOW = 60
"""Seconds over which ``requests_per_minute`` is counted."""


class Quota(msgspec.Struct, frozen=True):
    """The answer to one request against a limit: whether it may pass, and what is left.

    ``reset`` is in whole seconds: until the oldest counted requests leave the window. ``second`` is the one under which
    the request was counted, in Unix seconds.
    """

    allowed: bool
    limit: int
    remaining: int
    reset: int
    second: int = 0

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The usual ``RateLimit`` headers, in ASGI's form."""
        return [
            (b"ratelimit-limit", b"%d" % self.limit),
            (b"ratelimit-remaining", b"%d" % self.remaining),
            (b"ratelimit-reset", b"%d" % self.reset),
            (b"ratelimit-policy", b"%d;w=%d" % (self.limit, RATE_WINDOW)),
        ]


def window_start(now: float) -> int:
    """The first second that counts at a time."""
    return int(now) - RATE_WINDOW


def quota(limit: int, counts: Sequence[tuple[int, int]], now: float, *, allowed: bool) -> Quota:
    """What is left of a limit, given the requests counted as ``(second, number)`` within the window, oldest first."""
    used = sum(number for _, number in counts)
    oldest = counts[0][0] if counts else int(now)
    reset = max(1, oldest + RATE_WINDOW + 1 - int(now))
    return Quota(allowed=allowed, limit=limit, remaining=max(0, limit - used), reset=reset, second=int(now))
