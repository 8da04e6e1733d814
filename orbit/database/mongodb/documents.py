"""The documents of the MongoDB database, in the form that earlier ORBIT servers wrote and read.

They are as lenient as earlier servers: a field may be missing or null.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeVar

import msgspec
from beanie import Document, PydanticObjectId
from bson import ObjectId
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from orbit.database.budgets import Use
from orbit.database.conversations import ConversationTurn
from orbit.database.keys import ApiKey
from orbit.database.prompts import SystemPrompt
from orbit.database.secrets import digest_of, hint_of


def moment(at: float | datetime | None) -> datetime | None:
    """Return Unix seconds as a date; pydantic alone would read those after the year 2603 as milliseconds."""
    return datetime.fromtimestamp(at, UTC) if isinstance(at, int | float) else at


def seconds(at: datetime) -> float:
    """Return a date as Unix seconds; dates without a zone are UTC, as MongoDB stores them."""
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


Moment = Annotated[datetime, PlainSerializer(seconds)]
"""A date in MongoDB, Unix seconds in a record."""
Text = Annotated[str, BeforeValidator(lambda text: text or "")]
D = TypeVar("D", bound=Document)

if TYPE_CHECKING:
    Fields = Document
else:  # Beanie binds a document class to one client, so ``bound_to`` makes each database its own from these fields
    Fields = BaseModel


class Stored(Fields):
    """A document with the fields of a record."""

    model_config = ConfigDict(extra="ignore", from_attributes=True)

    @classmethod
    def of(cls, record: msgspec.Struct) -> Self:
        """Return the document of a record."""
        return cls(**msgspec.structs.asdict(record))


class FormerSecretDocument(BaseModel):
    """A secret from before a rotation."""

    model_config = ConfigDict(from_attributes=True)

    digest: str
    hint: str
    expires_at: Annotated[Moment, BeforeValidator(moment)]


class ApiKeyDocument(Stored):
    """A key. ``api_key`` is the clear key of an earlier version, until it is upgraded; it is never written."""

    id: PydanticObjectId
    api_key: str | None = Field(None, exclude=True)
    digest: Text = ""
    hint: Text = ""
    client_name: Text = ""
    collection_name: str | None = None
    system_prompt_id: PydanticObjectId | None = None
    active: bool = True
    notes: Text = ""
    created_at: Annotated[Moment, BeforeValidator(lambda at: moment(at or 0.0))] = datetime.fromtimestamp(0, UTC)
    expires_at: Annotated[Moment | None, BeforeValidator(moment)] = None
    requests_per_minute: int | None = None
    models: Annotated[list[str], BeforeValidator(lambda names: names or [])] = Field(default_factory=list)
    requests_per_day: int | None = None
    requests_per_month: int | None = None
    tokens_per_day: int | None = None
    tokens_per_month: int | None = None
    groups: Annotated[list[str], BeforeValidator(lambda names: names or [])] = Field(default_factory=list)
    former: list[FormerSecretDocument] = Field(default_factory=list)

    def record(self) -> ApiKey:
        """Return the key; one that is still in clear appears with its digest."""
        fields = self.model_dump(mode="json")
        if self.api_key and not self.digest:
            fields.update(digest=digest_of(self.api_key), hint=hint_of(self.api_key))
        return msgspec.convert(fields, ApiKey)


class SystemPromptDocument(Stored):
    """A prompt as it is now; earlier servers wrote no ``revision``."""

    id: PydanticObjectId
    name: str
    prompt: Text = ""
    version: Annotated[str, BeforeValidator(lambda version: version or "1.0")] = "1.0"
    created_at: Annotated[Moment | None, BeforeValidator(moment)] = None
    updated_at: Annotated[Moment | None, BeforeValidator(moment)] = None
    revision: int | None = None

    def record(self) -> SystemPrompt:
        """Return the prompt."""
        created = seconds(self.created_at) if self.created_at else 0.0
        fields = {"created_at": created, "updated_at": created, **self.model_dump(mode="json", exclude_none=True)}
        return msgspec.convert(fields, SystemPrompt)


class PromptVersionDocument(SystemPromptDocument):
    """What a prompt was before an update. The id is ``<prompt>:<revision>``, so that writing it twice is harmless."""

    id: str  # type: ignore[assignment]  # each collection has its own kind of id
    prompt_id: PydanticObjectId

    def record(self) -> SystemPrompt:
        """Return the earlier prompt."""
        return msgspec.structs.replace(super().record(), id=str(self.prompt_id))


class RequestCountDocument(Fields):
    """The requests of a key in the last minute, as ``[second, number]``; ``revision`` guards each change."""

    id: str  # type: ignore[assignment]  # the key's
    counts: list[tuple[int, int]] = Field(default_factory=list)
    revision: int = 0


class DayUse(BaseModel):
    """What a key has used on a day."""

    requests: int = 0
    tokens: int = 0


class MonthUseDocument(DayUse, Fields):
    """What a key has used in a month, and on each of its days: one document, so that a request counts at once.

    The id is ``<key>:<month>``.
    """

    id: str  # type: ignore[assignment]  # each collection has its own kind of id
    key_id: str
    month: str
    days: dict[str, DayUse] = Field(default_factory=dict)

    def use(self, day: str) -> Use:
        """Return what is used of a day and of the month."""
        on = self.days.get(day, DayUse())
        return Use(on.requests, on.tokens, self.requests, self.tokens)


class TurnDocument(Fields):
    """A turn of a conversation. ``at`` in Unix seconds: not all that speak MongoDB's wire compare dates rightly."""

    key_id: str
    session_id: str
    question: str
    answer: str
    at: float
    sources: list[dict[str, Any]] = Field(default_factory=list)
    detail: str = ""

    def record(self) -> ConversationTurn:
        """Return the turn."""
        return msgspec.convert(self, ConversationTurn, from_attributes=True)


class TurnId(BaseModel):
    """The part of a turn that is read to delete it."""

    id: PydanticObjectId = Field(alias="_id")


def bound_to(collection: str, model: type[D]) -> type[D]:
    """Return the document class of one database for one collection."""

    class Bound(model, Document):  # type: ignore[valid-type,misc]  # a base that only the caller knows
        class Settings:
            name = collection

    return Bound


def object_id(text: str | None) -> ObjectId | None:
    """Return an id as MongoDB has it; None if the text is no id."""
    return ObjectId(text) if text is not None and ObjectId.is_valid(text) else None
