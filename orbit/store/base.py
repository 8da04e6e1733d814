"""The contract of the store of API keys, system prompts and conversations, and the records it keeps.

Every backend passes the same tests (``tests/store/store_contract.py``). No record holds a clear key: only its SHA-256
digest and a hint.
"""

from __future__ import annotations

import abc
import os
import re
import time
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Any, Self

import msgspec
from msgspec import UNSET, UnsetType

from orbit.errors import OrbitError, StoreUnavailable
from orbit.turn import Source
from orbit.types import Health

PAGE = 100
"""Records in a page of a listing, unless the caller says otherwise."""

RATE_WINDOW = 60
"""Seconds over which ``requests_per_minute`` is counted."""


class FormerSecret(msgspec.Struct, frozen=True):
    """A secret that a key had before it was rotated, valid until ``expires_at`` (Unix seconds)."""

    digest: str
    hint: str
    expires_at: float


class ApiKey(msgspec.Struct, frozen=True):
    """A client's key: who it is for, what it may read, and until when.

    ``digest`` is the SHA-256 of the secret in hexadecimal, ``hint`` its last four characters. Times are in Unix
    seconds. ``collection_name`` None means the default collection.
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
    former: tuple[FormerSecret, ...] = ()

    def valid_until(self, digest: str) -> float | None:
        """When the secret with this digest ends, in Unix seconds: 0 if it is not this key's, None if never."""
        if digest == self.digest:
            return self.expires_at
        ends = next((secret.expires_at for secret in self.former if secret.digest == digest), 0.0)
        return ends if self.expires_at is None else min(ends, self.expires_at)


class KeyChanges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of a key; a field that is not set stays as it is."""

    client_name: str | UnsetType = UNSET
    collection_name: str | UnsetType | None = UNSET
    system_prompt_id: str | UnsetType | None = UNSET
    active: bool | UnsetType = UNSET
    notes: str | UnsetType = UNSET
    expires_at: float | UnsetType | None = UNSET
    requests_per_minute: int | UnsetType | None = UNSET


class SystemPrompt(msgspec.Struct, frozen=True):
    """A named text that guides the model. ``revision`` counts its updates, ``version`` is the operator's label."""

    id: str
    name: str
    prompt: str
    version: str = "1.0"
    created_at: float = 0.0
    updated_at: float = 0.0
    revision: int = 1


class PromptChanges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of a prompt. A new text without a new version gets the next one (1.0 becomes 1.1)."""

    name: str | UnsetType = UNSET
    prompt: str | UnsetType = UNSET
    version: str | UnsetType = UNSET


class SessionTurn(msgspec.Struct, frozen=True):
    """A question of a conversation and its whole answer. ``at`` is when it was answered, in Unix seconds."""

    question: str
    answer: str
    at: float
    sources: tuple[Source, ...] = ()


class Quota(msgspec.Struct, frozen=True):
    """The answer to one request against a limit: whether it may pass, and what is left.

    ``reset`` is in whole seconds: until the oldest counted requests leave the window.
    """

    allowed: bool
    limit: int
    remaining: int
    reset: int

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The usual ``RateLimit`` headers, in ASGI's form."""
        return [
            (b"ratelimit-limit", b"%d" % self.limit),
            (b"ratelimit-remaining", b"%d" % self.remaining),
            (b"ratelimit-reset", b"%d" % self.reset),
            (b"ratelimit-policy", b"%d;w=%d" % (self.limit, RATE_WINDOW)),
        ]


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


class UnknownPrompt(OrbitError):
    """No prompt has this id or name."""

    code = "unknown_prompt"

    def __init__(self, reference: str) -> None:
        super().__init__(f"There is no system prompt {reference!r}; `orbit prompts list` shows those that exist.")


class DuplicatePrompt(OrbitError):
    """Another prompt has this name."""

    code = "duplicate_prompt"

    def __init__(self, name: str) -> None:
        super().__init__(f"A system prompt named {name!r} exists already; update it or choose another name.")


class PromptInUse(OrbitError):
    """Keys use the prompt that should be deleted; ``keys`` are their records."""

    code = "prompt_in_use"

    def __init__(self, keys: Sequence[ApiKey]) -> None:
        self.keys = tuple(keys)
        names = ", ".join(f"{key.client_name} (***{key.hint})" for key in keys[:5])
        more = f" and {len(keys) - 5} more" if len(keys) > 5 else ""  # noqa: PLR2004 - as many as are named above
        super().__init__(f"Keys use this prompt: {names}{more}. Give them another one, or force the deletion.")


class Store(abc.ABC):
    """Where keys, prompts and conversations are kept. Open it with ``async with``.

    Every operation raises StoreUnavailable when the store cannot be reached, which says nothing about the records.
    Other processes may use the same store at the same time.
    """

    def __init__(self) -> None:
        self._changes = 0

    @abc.abstractmethod
    async def __aenter__(self) -> Self:
        """Open the store and bring what is in it up to date. Raises ConfigError or StoreUnavailable."""

    @abc.abstractmethod
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the store."""

    @abc.abstractmethod
    async def ping(self) -> None:
        """Return if the store can be reached."""

    async def health(self) -> Health:
        """The store's state, for ``/health``."""
        try:
            await self.ping()
        except StoreUnavailable as error:
            return Health("down", str(error))
        return Health()

    def generation(self) -> object:
        """A value that differs from an earlier one if known keys or prompts may have changed since.

        It sees at least all changes made through this object, costs next to nothing and never waits.
        """
        return self._changes

    def changed(self) -> None:
        """Tell that records may have changed: called after each change of an existing record."""
        self._changes += 1

    # Keys

    @abc.abstractmethod
    async def create_key(self, key: ApiKey) -> ApiKey:
        """Keep a new key. Raises DuplicateKey and UnknownPrompt."""

    @abc.abstractmethod
    async def find_by_digest(self, digest: str) -> ApiKey | None:
        """The key whose current or former secret has this digest, active and unexpired or not."""

    async def upgrade_legacy(self, secret: str, digest: str, hint: str) -> ApiKey | None:  # noqa: ARG002 - for backends with such records
        """The key that an earlier ORBIT stored in clear, now with a digest instead; None if there is none."""
        return None

    async def migrate(self) -> int:
        """Replace all clear keys of earlier versions by digests; how many there were."""
        return 0

    @abc.abstractmethod
    async def get_key(self, key_id: str) -> ApiKey:
        """The key with this id. Raises UnknownKey."""

    @abc.abstractmethod
    async def list_keys(self, *, after: str = "", limit: int = PAGE) -> list[ApiKey]:
        """Keys in the order of their ids (about that of their creation), from the one after ``after`` on."""

    @abc.abstractmethod
    async def keys_with_prompt(self, prompt_id: str) -> list[ApiKey]:
        """The keys that use a prompt."""

    @abc.abstractmethod
    async def update_key(self, key_id: str, changes: KeyChanges) -> ApiKey:
        """Change a key. Raises UnknownKey and UnknownPrompt."""

    @abc.abstractmethod
    async def rotate_key(self, key_id: str, digest: str, hint: str, former_until: float) -> ApiKey:
        """Give a key a new secret; the present one stays valid until ``former_until``. Raises UnknownKey."""

    @abc.abstractmethod
    async def delete_key(self, key_id: str) -> None:
        """Forget a key and its conversations. Raises UnknownKey."""

    @abc.abstractmethod
    async def count_request(self, key_id: str, limit: int, now: float) -> Quota:
        """Count a request if fewer than ``limit`` were counted in the last minute, all processes together."""

    # Prompts

    @abc.abstractmethod
    async def create_prompt(self, name: str, prompt: str, version: str = "1.0") -> SystemPrompt:
        """Keep a new prompt. Raises DuplicatePrompt."""

    @abc.abstractmethod
    async def get_prompt(self, prompt_id: str) -> SystemPrompt:
        """The prompt with this id. Raises UnknownPrompt."""

    @abc.abstractmethod
    async def get_prompt_by_name(self, name: str) -> SystemPrompt:
        """The prompt with this name. Raises UnknownPrompt."""

    @abc.abstractmethod
    async def list_prompts(self, *, after: str = "", limit: int = PAGE) -> list[SystemPrompt]:
        """Prompts in the order of their ids, from the one after ``after`` on."""

    @abc.abstractmethod
    async def update_prompt(self, prompt_id: str, changes: PromptChanges) -> SystemPrompt:
        """Change a prompt and keep what it was. Raises UnknownPrompt and DuplicatePrompt."""

    @abc.abstractmethod
    async def prompt_versions(self, prompt_id: str) -> list[SystemPrompt]:
        """All that a prompt ever was, the present first. Raises UnknownPrompt."""

    @abc.abstractmethod
    async def delete_prompt(self, prompt_id: str, *, force: bool = False) -> None:
        """Forget a prompt. Raises UnknownPrompt, and PromptInUse unless ``force``, which detaches the keys."""

    # Conversations: a session belongs to the key that it was begun with, and is named by both

    @abc.abstractmethod
    async def add_turn(self, key_id: str, session_id: str, turn: SessionTurn, keep: int) -> None:
        """Add a turn to a session, of which the last ``keep`` turns stay. Raises UnknownKey."""

    @abc.abstractmethod
    async def session_turns(self, key_id: str, session_id: str, since: float) -> list[SessionTurn]:
        """The turns of a session that were answered after ``since``, oldest first."""

    @abc.abstractmethod
    async def delete_session(self, key_id: str, session_id: str) -> bool:
        """Forget a session; False if there was none."""

    @abc.abstractmethod
    async def forget_turns(self, before: float) -> int:
        """Forget the turns of all sessions that were answered before a time; how many there were."""

    # Listings as a whole

    async def all_keys(self) -> AsyncIterator[ApiKey]:
        """Every key, page by page."""
        after = ""
        while page := await self.list_keys(after=after):
            for key in page:
                yield key
            after = page[-1].id

    async def all_prompts(self) -> AsyncIterator[SystemPrompt]:
        """Every prompt, page by page."""
        after = ""
        while page := await self.list_prompts(after=after):
            for prompt in page:
                yield prompt
            after = page[-1].id


def new_id() -> str:
    """An id of 24 hexadecimal digits that sorts by the time it was made (as MongoDB's ObjectId does)."""
    seconds, fraction = divmod(time.time(), 1)
    return (int(seconds).to_bytes(4, "big") + int(fraction * 2**24).to_bytes(3, "big") + os.urandom(5)).hex()


def set_fields(changes: msgspec.Struct) -> dict[str, Any]:
    """The fields of changes that are set, by name."""
    return {name: value for name, value in msgspec.structs.asdict(changes).items() if value is not UNSET}


def next_version(version: str) -> str:
    """The version after this one: its last number counted up, or ``.1`` added."""
    parts = re.fullmatch(r"(.*?)(\d+)(\D*)", version, re.DOTALL)
    return f"{parts[1]}{int(parts[2]) + 1}{parts[3]}" if parts else f"{version}.1"


def changed_prompt(prompt: SystemPrompt, changes: PromptChanges, now: float) -> SystemPrompt:
    """The next revision of a prompt; the same object if the changes change nothing."""
    name = prompt.name if changes.name is UNSET else changes.name
    text = prompt.prompt if changes.prompt is UNSET else changes.prompt
    version = prompt.version if changes.version is UNSET else changes.version
    if text != prompt.prompt and changes.version is UNSET:
        version = next_version(version)
    if (name, text, version) == (prompt.name, prompt.prompt, prompt.version):
        return prompt
    return msgspec.structs.replace(
        prompt, name=name, prompt=text, version=version, updated_at=now, revision=prompt.revision + 1
    )


def quota(limit: int, counts: Sequence[tuple[int, int]], now: float, *, allowed: bool) -> Quota:
    """What is left of a limit, given the requests counted as ``(second, number)`` within the window, oldest first."""
    used = sum(number for _, number in counts)
    oldest = counts[0][0] if counts else int(now)
    reset = max(1, oldest + RATE_WINDOW + 1 - int(now))
    return Quota(allowed=allowed, limit=limit, remaining=max(0, limit - used), reset=reset)
