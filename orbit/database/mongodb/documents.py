"""The documents of the MongoDB database, in the form that earlier ORBIT servers wrote and read.

They are lenient where earlier servers were: a field may be missing or null. ``record()`` turns them into what the
database's contract speaks of.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from beanie import Document, PydanticObjectId
from bson import ObjectId
from pydantic import BaseModel, ConfigDict, Field

from orbit.database.conversations import ConversationTurn
from orbit.database.keys import ApiKey, FormerSecret
from orbit.database.prompts import SystemPrompt
from orbit.database.secrets import digest_of, hint_of
from orbit.types import Source


class FormerSecretDocument(BaseModel):
    """A secret from before a rotation."""

    digest: str
    hint: str
    expires_at: datetime


class ApiKeyDocument(BaseModel):
    """A key. ``api_key`` is the clear key of an earlier version, until it is upgraded."""

    model_config = ConfigDict(extra="ignore")

    id: PydanticObjectId = Field(default_factory=PydanticObjectId)
    api_key: str | None = None
    digest: str | None = None
    hint: str | None = None
    client_name: str | None = None
    collection_name: str | None = None
    system_prompt_id: PydanticObjectId | None = None
    active: bool = True
    notes: str | None = None
    created_at: datetime | None = None
    expires_at: datetime | None = None
    requests_per_minute: int | None = None
    former: list[FormerSecretDocument] = Field(default_factory=list)

    def record(self) -> ApiKey:
        """The key as the contract has it; one that is still in clear appears with its digest."""
        return ApiKey(
            id=str(self.id),
            digest=self.digest or (digest_of(self.api_key) if self.api_key else ""),
            hint=self.hint or hint_of(self.api_key or ""),
            client_name=self.client_name or "",
            collection_name=self.collection_name,
            system_prompt_id=str(self.system_prompt_id) if self.system_prompt_id else None,
            active=self.active,
            notes=self.notes or "",
            created_at=seconds(self.created_at) or 0.0,
            expires_at=seconds(self.expires_at),
            requests_per_minute=self.requests_per_minute,
            former=tuple(FormerSecret(item.digest, item.hint, seconds(item.expires_at) or 0.0) for item in self.former),
        )


class SystemPromptDocument(BaseModel):
    """A prompt as it is now; earlier servers wrote no ``revision``."""

    model_config = ConfigDict(extra="ignore")

    id: PydanticObjectId = Field(default_factory=PydanticObjectId)
    name: str
    prompt: str = ""
    version: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    revision: int | None = None

    def record(self) -> SystemPrompt:
        """The prompt as the contract has it."""
        created = seconds(self.created_at) or 0.0
        return SystemPrompt(
            id=str(self.id),
            name=self.name,
            prompt=self.prompt,
            version=self.version or "1.0",
            created_at=created,
            updated_at=seconds(self.updated_at) or created,
            revision=self.revision or 1,
        )


class PromptVersionDocument(BaseModel):
    """What a prompt was before an update; the id is ``<prompt>:<revision>``, so that writing it twice is harmless."""

    id: str
    prompt_id: PydanticObjectId
    name: str
    prompt: str
    version: str
    created_at: datetime
    updated_at: datetime
    revision: int

    def record(self) -> SystemPrompt:
        """The earlier prompt as the contract has it."""
        return SystemPrompt(
            id=str(self.prompt_id),
            name=self.name,
            prompt=self.prompt,
            version=self.version,
            created_at=seconds(self.created_at) or 0.0,
            updated_at=seconds(self.updated_at) or 0.0,
            revision=self.revision,
        )


class RequestCountDocument(BaseModel):
    """The requests of a key in the last minute, as ``[second, number]``; ``revision`` guards each change."""

    id: str
    counts: list[tuple[int, int]] = Field(default_factory=list)
    revision: int = 0


class TurnDocument(BaseModel):
    """A turn of a conversation. ``at`` in Unix seconds: not all that speak MongoDB's wire compare dates rightly."""

    id: PydanticObjectId = Field(default_factory=PydanticObjectId)
    key_id: str
    session_id: str
    question: str
    answer: str
    at: float
    sources: list[dict[str, Any]] = Field(default_factory=list)

    def record(self) -> ConversationTurn:
        """The turn as the contract has it."""
        sources = msgspec.convert(self.sources, tuple[Source, ...])
        return ConversationTurn(self.question, self.answer, self.at, sources)


def turn_fields(key_id: str, session_id: str, turn: ConversationTurn) -> dict[str, Any]:
    """The document of a new turn."""
    return {"key_id": key_id, "session_id": session_id, **msgspec.to_builtins(turn)}


def bound_to(model: type[BaseModel], collection: str) -> type[Any]:
    """A Beanie document class for one collection, made anew for each database, so that several can be open at once."""
    name = model.__qualname__
    place = {"__module__": __name__, "__qualname__": f"{name}.Settings"}  # where Pydantic expects a nested class
    settings = type("Settings", (), {"name": collection, **place})
    return type(name, (model, Document), {"Settings": settings, "__module__": __name__, "__qualname__": name})


def key_fields(key: ApiKey) -> dict[str, Any]:
    """The document of a new key."""
    return {
        "_id": ObjectId(key.id),
        "digest": key.digest,
        "hint": key.hint,
        "client_name": key.client_name,
        "collection_name": key.collection_name,
        "system_prompt_id": object_id(key.system_prompt_id),
        "active": key.active,
        "notes": key.notes,
        "created_at": moment(key.created_at),
        "expires_at": moment(key.expires_at),
        "requests_per_minute": key.requests_per_minute,
        "former": [],
    }


def prompt_fields(prompt: SystemPrompt) -> dict[str, Any]:
    """A prompt's document without its id."""
    return {
        "name": prompt.name,
        "prompt": prompt.prompt,
        "version": prompt.version,
        "created_at": moment(prompt.created_at),
        "updated_at": moment(prompt.updated_at),
        "revision": prompt.revision,
    }


def object_id(text: str | None) -> ObjectId | None:
    """An id as MongoDB has it; None if the text is no id."""
    return ObjectId(text) if text is not None and ObjectId.is_valid(text) else None


def moment(at: float | None) -> datetime | None:
    """Unix seconds as a date."""
    return None if at is None else datetime.fromtimestamp(at, UTC)


def seconds(at: datetime | None) -> float | None:
    """A date as Unix seconds; dates without a zone are UTC, as MongoDB stores them."""
    if at is None:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
