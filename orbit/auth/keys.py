"""Who is asking: API keys, how they are made, and how a request's key is checked."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import msgspec

from orbit.database.base import Database
from orbit.database.keys import ApiKey, UnknownKey
from orbit.database.prompts import SystemPrompt, UnknownPrompt
from orbit.database.quota import RATE_WINDOW, Quota
from orbit.database.records import new_id, now
from orbit.database.secrets import MAX_SECRET_CHARS, digest_of, generate_secret, hint_of
from orbit.errors import DatabaseUnavailable, OrbitError, Unauthorized

AWAY_SECONDS = 1.0
"""How long a database that was away is not asked to count, so that known keys need not wait for it each time."""

REFUSAL = (
    "A valid API key is required: send it in the X-API-Key header, or under /v1 also as 'Authorization: Bearer KEY'."
)


class Identity(msgspec.Struct, frozen=True):
    """Whom a valid key stands for, and the system prompt it is tied to."""

    key: ApiKey
    prompt: SystemPrompt | None = None


class RateLimited(OrbitError):
    """A key has used up its requests for now."""

    code = "rate_limited"

    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        self.retry_after = quota.reset
        self.client = f"This key may make {quota.limit} requests a minute; try again in {quota.reset} s."
        super().__init__(self.client)

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The ``RateLimit`` headers of the refusal."""
        return self.quota.headers()


class _Known(msgspec.Struct, frozen=True):
    """An identity in the cache: good until ``fresh_until`` (monotonic) and ``valid_until`` (Unix seconds)."""

    identity: Identity
    fresh_until: float
    valid_until: float


def new_key(
    client_name: str,
    collection_name: str | None = None,
    *,
    system_prompt_id: str | None = None,
    notes: str = "",
    expires_at: float | None = None,
    requests_per_minute: int | None = None,
) -> tuple[str, ApiKey]:
    """A clear key and the record to store for it."""
    secret = generate_secret()
    record = ApiKey(
        id=new_id(),
        digest=digest_of(secret),
        hint=hint_of(secret),
        client_name=client_name,
        collection_name=collection_name,
        system_prompt_id=system_prompt_id,
        notes=notes,
        created_at=now(),
        expires_at=expires_at,
        requests_per_minute=requests_per_minute,
    )
    return secret, record


class Authenticator:
    """Checks the keys of requests, and remembers valid ones for a short time.

    A key that was changed through the same database object is asked for again at once; how soon changes made by
    other processes are seen is the database's affair, and at the latest after ``cache_seconds``. Expiry is checked at
    each request. While the database is away, keys that are remembered keep working for the rest of that time.
    """

    def __init__(self, database: Database, cache_seconds: float = 10.0, cache_size: int = 10_000) -> None:
        self._database = database
        self._cache_seconds = cache_seconds
        self._cache_size = cache_size
        self._known: dict[str, _Known] = {}
        self._generation: object = None
        self._running: dict[tuple[str, object], asyncio.Task[Identity]] = {}

    async def authenticate(self, raw: str | None) -> Identity:
        """Whom a key stands for. Raises Unauthorized, the same for every reason, or DatabaseUnavailable."""
        secret = (raw or "")[:MAX_SECRET_CHARS]
        digest = digest_of(secret)
        generation = self._database.generation()
        if generation != self._generation:
            self._known.clear()
            self._generation = generation
        known = self._known.get(digest)
        if known is not None:
            if known.fresh_until > time.monotonic() and known.valid_until > time.time():
                return known.identity
            del self._known[digest]
        return await self._look_up_once(secret, digest, generation)

    async def _look_up_once(self, secret: str, digest: str, generation: object) -> Identity:
        """Ask the database; requests with the same key at the same time share one look-up."""
        task = self._running.get((digest, generation))
        if task is None:
            task = asyncio.create_task(self._look_up(secret, digest, generation))
            self._running[digest, generation] = task
            task.add_done_callback(lambda done: self._looked_up(digest, generation, done))
        return await asyncio.shield(task)

    def _looked_up(self, digest: str, generation: object, task: asyncio.Task[Identity]) -> None:
        self._running.pop((digest, generation), None)
        if not task.cancelled():
            task.exception()  # seen, even if all who waited have gone

    async def _look_up(self, secret: str, digest: str, generation: object) -> Identity:
        key = await self._database.find_by_digest(digest)
        if not _works(key, digest):
            # Also for a key that was found, so that the time of a refusal tells nothing.
            key = await self._database.upgrade_legacy(secret, digest, hint_of(secret)) or key
        if key is None or not _works(key, digest):
            raise Unauthorized(REFUSAL)
        ends = key.valid_until(digest)
        identity = Identity(key, await self._prompt_of(key))
        self._remember(digest, _Known(identity, time.monotonic() + self._cache_seconds, _or_forever(ends)), generation)
        return identity

    async def _prompt_of(self, key: ApiKey) -> SystemPrompt | None:
        if key.system_prompt_id is None:
            return None
        try:
            return await self._database.get_prompt(key.system_prompt_id)
        except UnknownPrompt:  # deleted since the key was read
            return None

    def _remember(self, digest: str, known: _Known, generation: object) -> None:
        # What was read before a change may be out of date.
        if self._cache_seconds <= 0 or generation != self._database.generation():
            return
        while len(self._known) >= self._cache_size:
            del self._known[next(iter(self._known))]
        self._known[digest] = known


class RateLimiter:
    """Holds keys to their ``requests_per_minute``, counted by the database for all workers together.

    While the database is away each worker counts for itself, so that known keys keep working within their limit.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._own: dict[str, list[float]] = {}
        self._away_until = 0.0

    async def admit(self, key: ApiKey) -> Quota | None:
        """Count one request: what is left, or None if the key has no limit. Raises RateLimited."""
        if key.requests_per_minute is None:
            return None
        quota = await self._count(key.id, key.requests_per_minute, time.time())
        if not quota.allowed:
            raise RateLimited(quota)
        return quota

    async def give_back(self, key: ApiKey, quota: Quota) -> Quota:
        """Take back a request that was counted and then refused for want of room. Returns what is left."""
        if own := self._own.get(key.id):
            own.pop()
        else:
            with suppress(DatabaseUnavailable):  # it then counts for its minute
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


def _works(key: ApiKey | None, digest: str) -> bool:
    if key is None or not key.active:
        return False
    ends = key.valid_until(digest)
    return ends is None or ends > time.time()


def _or_forever(ends: float | None) -> float:
    return float("inf") if ends is None else ends


async def find_key(database: Database, reference: str) -> ApiKey | None:
    """The key with this id or this secret."""
    try:
        return await database.get_key(reference)
    except UnknownKey:
        secret = reference[:MAX_SECRET_CHARS]
        digest = digest_of(secret)
        return await database.find_by_digest(digest) or await database.upgrade_legacy(secret, digest, hint_of(secret))
