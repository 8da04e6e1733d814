"""The records of API keys, and the contract of their storage."""

from __future__ import annotations

import abc
import time
from collections.abc import AsyncIterator

import msgspec
from msgspec import UNSET, UnsetType

from orbit.database.budgets import Budgets, Use
from orbit.database.quota import Quota
from orbit.database.records import PAGE
from orbit.errors import OrbitError


class FormerSecret(msgspec.Struct, frozen=True):
    """A secret from before a rotation, valid until ``expires_at`` (Unix seconds)."""

    digest: str
    hint: str
    expires_at: float


class ApiKey(msgspec.Struct, frozen=True):
    """A client's key: its owner, collection, prompt, models, expiry, rate limit and budgets.

    ``digest`` is the SHA-256 of the secret in hexadecimal, ``hint`` its last four characters. Times are in Unix
    seconds. ``collection_name`` None means the default collection. ``models`` are the names of those that its requests
    may name, the first one its default; none means all. ``groups`` decide what restricted passages it may read.
    """

    id: str
    digest: str
    hint: str
    client_name: str
    collection_name: str | None = None
    system_prompt_id: str | None = None
    active: bool = True
    notes: str = ""
    created_at: float = 0.0
    expires_at: float | None = None
    requests_per_minute: int | None = None
    models: tuple[str, ...] = ()
    requests_per_day: int | None = None
    requests_per_month: int | None = None
    tokens_per_day: int | None = None
    tokens_per_month: int | None = None
    groups: tuple[str, ...] = ()
    former: tuple[FormerSecret, ...] = ()

    @property
    def budgets(self) -> Budgets | None:
        """The key's budgets; None if it has none."""
        budgets = Budgets(self.requests_per_day, self.tokens_per_day, self.requests_per_month, self.tokens_per_month)
        return budgets if budgets.limits() else None

    def valid_until(self, digest: str) -> float | None:
        """Return when the secret with this digest expires (Unix seconds): 0 if it is not this key's, None for never."""
        if digest == self.digest:
            return self.expires_at
        ends = next((secret.expires_at for secret in self.former if secret.digest == digest), 0.0)
        return ends if self.expires_at is None else min(ends, self.expires_at)

    def works(self, digest: str = "") -> bool:
        """Whether the secret with this digest, by default the newest one, is valid now."""
        ends = self.valid_until(digest or self.digest)
        return self.active and (ends is None or ends > time.time())


class KeyChanges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Changes of a key; unset fields stay as they are."""

    client_name: str | UnsetType = UNSET
    collection_name: str | UnsetType | None = UNSET
    system_prompt_id: str | UnsetType | None = UNSET
    active: bool | UnsetType = UNSET
    notes: str | UnsetType = UNSET
    expires_at: float | UnsetType | None = UNSET
    requests_per_minute: int | UnsetType | None = UNSET
    models: tuple[str, ...] | UnsetType = UNSET
    requests_per_day: int | UnsetType | None = UNSET
    requests_per_month: int | UnsetType | None = UNSET
    tokens_per_day: int | UnsetType | None = UNSET
    tokens_per_month: int | UnsetType | None = UNSET
    groups: tuple[str, ...] | UnsetType = UNSET


class UnknownKey(OrbitError):
    """No key has this id or secret."""

    code = "unknown_key"

    def __init__(self) -> None:
        super().__init__("There is no such API key; `orbit keys list` shows those that exist.")


class DuplicateKey(OrbitError):
    """A key with this secret exists already."""

    code = "duplicate_key"

    def __init__(self) -> None:
        super().__init__("A key with the same secret exists already; let ORBIT generate another one.")


class KeyRecords(abc.ABC):
    """The keys of a database, and the counts of their requests."""

    @abc.abstractmethod
    async def create_key(self, key: ApiKey) -> ApiKey:
        """Insert a new key. Raises DuplicateKey and UnknownPrompt."""

    @abc.abstractmethod
    async def find_by_digest(self, digest: str) -> ApiKey | None:
        """Return the key whose current or former secret has this digest, even if it is inactive or expired."""

    async def find_clear(self, secret: str) -> ApiKey | None:  # noqa: ARG002 - for backends with such records
        """Return the key that an earlier ORBIT stored in clear; None if there is none.

        The record stays as it is, so that the earlier server can read it until ``migrate``.
        """
        return None

    async def migrate(self) -> int:
        """Replace all clear keys of earlier versions by digests and return their number."""
        return 0

    @abc.abstractmethod
    async def get_key(self, key_id: str) -> ApiKey:
        """Return the key with this id. Raises UnknownKey."""

    @abc.abstractmethod
    async def list_keys(self, *, after: str = "", limit: int = PAGE) -> list[ApiKey]:
        """Return a page of keys after the id ``after``, ordered by id, which is about the order of creation."""

    @abc.abstractmethod
    async def keys_with_prompt(self, prompt_id: str) -> list[ApiKey]:
        """Return the keys that use a prompt."""

    @abc.abstractmethod
    async def update_key(self, key_id: str, changes: KeyChanges) -> ApiKey:
        """Change a key. Raises UnknownKey and UnknownPrompt."""

    @abc.abstractmethod
    async def rotate_key(self, key_id: str, digest: str, hint: str, former_until: float) -> ApiKey:
        """Give a key a new secret; the old one stays valid until ``former_until``. Raises UnknownKey, DuplicateKey."""

    @abc.abstractmethod
    async def delete_key(self, key_id: str) -> None:
        """Delete a key and its conversations. Raises UnknownKey."""

    @abc.abstractmethod
    async def count_request(self, key_id: str, limit: int, now: float) -> Quota:
        """Count a request if all processes together counted fewer than ``limit`` in the last minute."""

    @abc.abstractmethod
    async def uncount_request(self, key_id: str, second: int) -> None:
        """Take back a request counted under ``second`` (``Quota.second``)."""

    @abc.abstractmethod
    async def count_use(self, key_id: str, budgets: Budgets, day: str) -> tuple[bool, Use]:
        """Count a request of a day if all processes together have used up none of the budgets.

        Return whether it was counted, and what is used now.
        """

    @abc.abstractmethod
    async def add_use(self, key_id: str, day: str, requests: int, tokens: int) -> None:
        """Add to what a key has used on a day; a negative number takes requests back."""

    @abc.abstractmethod
    async def use_of(self, key_id: str, day: str) -> Use:
        """Return what a key has used on a day and in its month."""

    async def all_keys(self) -> AsyncIterator[ApiKey]:
        """Yield every key, page by page."""
        after = ""
        while page := await self.list_keys(after=after):
            for key in page:
                yield key
            after = page[-1].id
