"""The JSON of the administration API: requests, answers, and the conversion of records."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from orbit.config.changes import Changes
from orbit.config.model import LogLevel
from orbit.database.budgets import Use, day_of, resets_at
from orbit.database.keys import ApiKey
from orbit.database.prompts import SystemPrompt
from orbit.filters import GROUP

Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S")]
Notes = Annotated[str, Meta(max_length=4_000)]
PromptText = Annotated[str, Meta(min_length=1, max_length=200_000, pattern=r"\S")]
Version = Annotated[str, Meta(min_length=1, max_length=100)]
YEAR_10000 = 253_402_300_800
Moment = Annotated[float, Meta(ge=0, lt=YEAR_10000)] | datetime
_PLAIN = tuple(
    (re.compile(said), words)
    for said, words in (
        (
            r"Invalid RFC3339 encoded datetime",
            "this is not a time; give Unix seconds, or ISO 8601 such as 2027-01-31T12:00:00Z",
        ),
        (r"Expected `str` (of length >= 1|matching regex '.{0,2}S')$", "this must not be empty"),
        (r"Expected `str` of length <= (\d+)", r"this may have \1 characters at most"),
        (r"Expected `str` matching regex .*", "this has a character that it may not have, such as a comma"),
    )
)
"""What a decoder says of a mistake, and the same in plain words."""
Models = Annotated[tuple[Name, ...], Meta(max_length=100)]
Group = Annotated[str, Meta(max_length=100, pattern=GROUP)]
Groups = Annotated[tuple[Group, ...], Meta(max_length=100)]
PerMinute = Annotated[int, Meta(ge=1, le=1_000_000)]
Budget = Annotated[int, Meta(ge=1, le=1_000_000_000_000)]


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of request bodies; unknown fields are errors."""


class NewKey(Body, frozen=True):
    """A key to create. ``expires_at`` is in Unix seconds or ISO 8601. Without ``collection_name``, the default one.

    ``models`` are those that its requests may name, the first one for requests that name none; by default all.
    Days and months of budgets are those of the calendar in UTC.
    ``groups`` let it read passages with these readers; by default only those that everybody may read.
    """

    client_name: Name
    collection_name: Name | None = None
    notes: Notes | None = None
    system_prompt_id: str | None = None
    expires_at: Moment | None = None
    requests_per_minute: PerMinute | None = None
    models: Models | None = None
    requests_per_day: Budget | None = None
    requests_per_month: Budget | None = None
    tokens_per_day: Budget | None = None
    tokens_per_month: Budget | None = None
    groups: Groups | None = None


class KeyUpdate(Body, frozen=True):
    """Changes of a key; null removes the collection, the models, the groups, the expiry, the limit or a budget."""

    client_name: Name | UnsetType = UNSET
    collection_name: Name | UnsetType | None = UNSET
    notes: Notes | UnsetType = UNSET
    active: bool | UnsetType = UNSET
    expires_at: Moment | UnsetType | None = UNSET
    requests_per_minute: PerMinute | UnsetType | None = UNSET
    models: Models | UnsetType | None = UNSET
    requests_per_day: Budget | UnsetType | None = UNSET
    requests_per_month: Budget | UnsetType | None = UNSET
    tokens_per_day: Budget | UnsetType | None = UNSET
    tokens_per_month: Budget | UnsetType | None = UNSET
    groups: Groups | UnsetType | None = UNSET


class KeyReference(Body, frozen=True):
    """A key, named by itself or by its id."""

    api_key: str


class PromptReference(Body, frozen=True):
    """A system prompt, or none."""

    prompt_id: str | None


class Rotation(Body, frozen=True):
    """How long the old secret stays valid, in seconds."""

    grace_seconds: Annotated[float, Meta(ge=0, le=31_536_000)] = 0.0


class NewPrompt(Body, frozen=True):
    """A prompt to create."""

    name: Name
    prompt: PromptText
    version: Version = "1.0"


class PromptUpdate(Body, frozen=True):
    """Changes of a prompt."""

    name: Name | UnsetType = UNSET
    prompt: PromptText | UnsetType = UNSET
    version: Version | UnsetType = UNSET


KeyStatus = Literal["active", "inactive", "expired"]


class PromptLabel(msgspec.Struct, frozen=True):
    """The name and version of a prompt."""

    id: str
    name: str
    version: str


class BudgetInfo(msgspec.Struct, frozen=True):
    """A budget of a key: how much is used, and when it begins anew (Unix seconds). The name is the setting's.

    ``used`` is None while the database that counts it is unavailable.
    """

    name: str
    limit: int
    used: int | None
    resets_at: float


class KeyInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A key as administrators see it. ``api_key`` is masked, except in the answer that made it."""

    id: str
    api_key: str
    client_name: str
    collection: str | None
    notes: str
    created_at: float
    active: bool
    system_prompt_id: str | None
    expires_at: float | None
    requests_per_minute: int | None
    models: tuple[str, ...]
    status: KeyStatus
    requests_per_day: int | None = None
    requests_per_month: int | None = None
    tokens_per_day: int | None = None
    tokens_per_month: int | None = None
    budgets: tuple[BudgetInfo, ...] = ()
    groups: tuple[str, ...] = ()


class KeyDetails(KeyInfo, frozen=True, kw_only=True):
    """A key with its prompt and its former secrets that are still valid."""

    system_prompt: PromptLabel | None
    former_secrets: list[dict[str, Any]]


class OwnKey(msgspec.Struct, frozen=True):
    """A key as its holder sees it. Without ``models``, its requests may name all that ``GET /v1/models`` lists."""

    api_key: str
    client_name: str
    collection: str | None
    expires_at: float | None
    requests_per_minute: int | None
    models: tuple[str, ...] = ()
    budgets: tuple[BudgetInfo, ...] = ()
    groups: tuple[str, ...] = ()


class PromptInfo(msgspec.Struct, frozen=True):
    """A system prompt as administrators see it."""

    id: str
    name: str
    prompt: str
    version: str
    created_at: float
    updated_at: float


class Reloaded(Changes, frozen=True):
    """What a reload changed: providers by their sections, and the host's settings, such as ``retrieval.limit``."""

    message: str = ""
    """All of it in sentences."""


class ServerLogLevel(Body, frozen=True):
    """The lowest severity that the server log has."""

    level: LogLevel


class Done(msgspec.Struct, frozen=True):
    """The answer to a deletion."""

    message: str
    status: str = "success"


def unix_seconds(at: float | datetime) -> float:
    """Return a time in Unix seconds; one without a zone is UTC."""
    if isinstance(at, datetime):
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    return at


def masked(hint: str) -> str:
    """Return a key masked to its last four characters."""
    return f"***{hint}"


def status_of(key: ApiKey) -> KeyStatus:
    """Return whether a key works now."""
    if not key.active:
        return "inactive"
    return "expired" if key.expires_at is not None and key.expires_at <= time.time() else "active"


def budgets_of(key: ApiKey, use: Use | None) -> tuple[BudgetInfo, ...]:
    """Return the budgets of a key. ``use`` is None if it is unknown."""
    limits = key.budgets.limits() if key.budgets else {}
    today = day_of(time.time())
    return tuple(
        [BudgetInfo(name, limit, getattr(use, name, None), resets_at(name, today)) for name, limit in limits.items()]
    )


def _key_fields(key: ApiKey, secret: str | None, use: Use) -> dict[str, Any]:
    return {
        "id": key.id,
        "api_key": secret or masked(key.hint),
        "client_name": key.client_name,
        "collection": key.collection_name,
        "notes": key.notes,
        "created_at": key.created_at,
        "active": key.active,
        "system_prompt_id": key.system_prompt_id,
        "expires_at": key.expires_at,
        "requests_per_minute": key.requests_per_minute,
        "models": key.models,
        "status": status_of(key),
        "requests_per_day": key.requests_per_day,
        "requests_per_month": key.requests_per_month,
        "tokens_per_day": key.tokens_per_day,
        "tokens_per_month": key.tokens_per_month,
        "budgets": budgets_of(key, use),
        "groups": key.groups,
    }


def key_info(key: ApiKey, use: Use, secret: str | None = None) -> KeyInfo:
    """Return a key to show, with its secret if it was just made."""
    return KeyInfo(**_key_fields(key, secret, use))


def plain(mistake: str) -> str:
    """Return what a decoder says of a mistaken ``Moment`` or text in plain words, anything else as it is."""
    for said, words in _PLAIN:
        mistake = said.sub(words, mistake)
    return mistake


def own_key(key: ApiKey, use: Use | None) -> OwnKey:
    """Return a key as its holder sees it. ``use`` is None if it is unknown."""
    hint, minute, budgets = masked(key.hint), key.requests_per_minute, budgets_of(key, use)
    return OwnKey(hint, key.client_name, key.collection_name, key.expires_at, minute, key.models, budgets, key.groups)


def key_details(key: ApiKey, prompt: SystemPrompt | None, use: Use) -> KeyDetails:
    """Return a key to show in full."""
    now = time.time()
    former = [
        {"api_key": masked(secret.hint), "expires_at": secret.expires_at}
        for secret in key.former
        if secret.expires_at > now
    ]
    label = PromptLabel(prompt.id, prompt.name, prompt.version) if prompt else None
    return KeyDetails(**_key_fields(key, None, use), system_prompt=label, former_secrets=former)


def prompt_info(prompt: SystemPrompt) -> PromptInfo:
    """Return a prompt to show."""
    return PromptInfo(prompt.id, prompt.name, prompt.prompt, prompt.version, prompt.created_at, prompt.updated_at)
