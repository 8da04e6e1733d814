"""The limit of a key's requests per minute."""

from __future__ import annotations

import time
from contextlib import suppress

import msgspec

from orbit.database.base import Database
from orbit.database.keys import ApiKey
from orbit.database.quota import RATE_WINDOW, Quota
from orbit.errors import DatabaseUnavailable, OrbitError

AWAY_SECONDS = 1.0
"""How long to count alone after the database was unavailable, so that not every request waits for it."""


class RateLimited(OrbitError):
    """A key has used up its requests of this minute."""

    code = "rate_limited"

    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        self.retry_after = quota.reset
        self.client = f"This key may make {quota.limit} requests a minute; try again in {quota.reset} s."
        super().__init__(self.client)

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the ``RateLimit`` headers of the refusal."""
        return self.quota.headers()


class RateLimiter:
    """Enforces ``requests_per_minute``. The database counts for all workers together.

    While the database is unavailable each worker counts for itself, so that known keys keep working within their limit.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._own: dict[str, list[float]] = {}
        self._away_until = 0.0

    async def admit(self, key: ApiKey) -> Quota | None:
        """Count a request and return the remaining quota; None if the key has no limit. Raises RateLimited."""
        if key.requests_per_minute is None:
            return None
        quota = await self._count(key.id, key.requests_per_minute, time.time())
        if not quota.allowed:
            raise RateLimited(quota)
        return quota

    async def give_back(self, key: ApiKey, quota: Quota) -> Quota:
        """Uncount a request that the server had no room for, and return the remaining quota."""
        if own := self._own.get(key.id):
            own.pop()
        else:
            with suppress(DatabaseUnavailable):  # the request then counts
                await self._database.uncount_request(key.id, quota.second)
        return msgspec.structs.replace(quota, remaining=quota.remaining + 1)

    async def _count(self, key_id: str, limit: int, now: float) -> Quota:
        if time.monotonic() < self._away_until:
            return self._count_alone(key_id, limit, now)
        try:
            quota = await self._database.count_request(key_id, limit, now)
        except DatabaseUnavailable:
            self._away_until = time.monotonic() + AWAY_SECONDS
            return self._count_alone(key_id, limit, now)
        self._own.pop(key_id, None)
        return quota

    def _count_alone(self, key_id: str, limit: int, now: float) -> Quota:
        times = [at for at in self._own.get(key_id, ()) if at > now - RATE_WINDOW]
        allowed = len(times) < limit
        if allowed:
            times.append(now)
        self._own[key_id] = times
        reset = max(1, int(times[0] + RATE_WINDOW - now) + 1) if times else RATE_WINDOW
        return Quota(allowed=allowed, limit=limit, remaining=limit - len(times), reset=reset)
