"""API keys: making them, and finding out whom a request's key belongs to."""

from __future__ import annotations

import asyncio
import math
import time

import msgspec

from orbit.database.base import Database
from orbit.database.budgets import Budgets
from orbit.database.keys import ApiKey, UnknownKey
from orbit.database.prompts import SystemPrompt, UnknownPrompt
from orbit.database.records import new_id, now
from orbit.database.secrets import MAX_SECRET_CHARS, digest_of, generate_secret, hint_of
from orbit.errors import Unauthorized

REFUSAL = (
    "A valid API key is required: send it in the X-API-Key header, or, under /v1 and /mcp, "
    "as 'Authorization: Bearer KEY'."
)

NOT_VALID = "This key is not valid: it was mistyped, deleted or deactivated, or it has expired."
"""For commands, which send keys as they should."""


class Identity(msgspec.Struct, frozen=True):
    """The owner of a valid key, the key's system prompt, and its budgets."""

    key: ApiKey
    prompt: SystemPrompt | None = None
    budgets: Budgets | None = None


class _Known(msgspec.Struct, frozen=True):
    """A cached identity, usable until ``fresh_until`` (monotonic clock) and ``valid_until`` (Unix seconds)."""

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
    models: tuple[str, ...] = (),
    budgets: Budgets | None = None,
    groups: tuple[str, ...] = (),
) -> tuple[str, ApiKey]:
    """Return a clear key and the record to store for it."""
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
        models=models,
        groups=groups,
        **msgspec.structs.asdict(budgets or Budgets()),
    )
    return secret, record


class Authenticator:
    """Checks the keys of requests, and caches the identities of valid ones for ``cache_seconds``.

    A change of keys or prompts empties the cache: at once if a process of this machine made it, else when the entries
    expire. The cache never outlives a key. While the database is unavailable, cached keys keep working until then.
    """

    def __init__(self, database: Database, cache_seconds: float = 10.0, cache_size: int = 10_000) -> None:
        self._database = database
        self._cache_seconds = cache_seconds
        self._cache_size = cache_size
        self._known: dict[str, _Known] = {}
        self._generation: object = None
        self._running: dict[tuple[str, object], asyncio.Task[Identity]] = {}

    async def authenticate(self, raw: str | None) -> Identity:
        """Return whom a key belongs to. Raises Unauthorized, with one text for every reason, or DatabaseUnavailable."""
        if not raw:
            raise Unauthorized(REFUSAL)
        secret = raw[:MAX_SECRET_CHARS]
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
        """Ask the database; concurrent requests with the same key share one look-up."""
        task = self._running.get((digest, generation))
        if task is None:
            task = asyncio.create_task(self._look_up(secret, digest, generation))
            self._running[digest, generation] = task
            task.add_done_callback(lambda done: self._looked_up(digest, generation, done))
        return await asyncio.shield(task)

    def _looked_up(self, digest: str, generation: object, task: asyncio.Task[Identity]) -> None:
        self._running.pop((digest, generation), None)
        if not task.cancelled():
            task.exception()  # retrieved, even if every waiting request was cancelled

    async def _look_up(self, secret: str, digest: str, generation: object) -> Identity:
        began = time.monotonic()  # not when the answer is there: a key may be revoked while a slow one is on its way
        key = await self._database.find_by_digest(digest)
        if not _works(key, digest):
            # Also for a key that was found, so that the time of a refusal gives nothing away.
            key = await self._database.find_clear(secret) or key
        if key is None or not _works(key, digest):
            raise Unauthorized(REFUSAL)
        ends = key.valid_until(digest)
        identity = Identity(key, await self._prompt_of(key), key.budgets)
        valid_until = math.inf if ends is None else ends
        self._remember(digest, _Known(identity, began + self._cache_seconds, valid_until), generation)
        return identity

    async def _prompt_of(self, key: ApiKey) -> SystemPrompt | None:
        if key.system_prompt_id is None:
            return None
        try:
            return await self._database.get_prompt(key.system_prompt_id)
        except UnknownPrompt:  # deleted since the key was read
            return None

    def _remember(self, digest: str, known: _Known, generation: object) -> None:
        # A revocation during the look-up makes what was read stale.
        if self._cache_seconds <= 0 or generation != self._database.generation():
            return
        while len(self._known) >= self._cache_size:
            del self._known[next(iter(self._known))]
        self._known[digest] = known


def _works(key: ApiKey | None, digest: str) -> bool:
    return key is not None and key.works(digest)


async def find_key(database: Database, reference: str) -> ApiKey | None:
    """Return the key with this id or this secret, or None."""
    try:
        return await database.get_key(reference)
    except UnknownKey:
        secret = reference[:MAX_SECRET_CHARS]
        digest = digest_of(secret)
        return await database.find_by_digest(digest) or await database.find_clear(secret)
