"""The data that hooks exchange: plain, frozen structs without behaviour.

Nothing here imports a web framework, a database or numpy at run time, so importing a plugin stays cheap.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors: TypeAlias = NDArray[np.float32]
    """Embeddings: float32, shape ``(number of texts, dimension)``."""

Role: TypeAlias = Literal["system", "user", "assistant"]
FinishReason: TypeAlias = Literal["stop", "length", "content_filter"]
EmbedKind: TypeAlias = Literal["query", "document"]
ModerationStage: TypeAlias = Literal["input", "output"]
HealthStatus: TypeAlias = Literal["ok", "degraded", "down"]
MetadataValue: TypeAlias = str | int | float | bool


class Message(msgspec.Struct, frozen=True):
    """One turn of a conversation as the model sees it."""

    role: Role
    content: str


class Usage(msgspec.Struct, frozen=True):
    """Tokens read and written for one answer."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


class Chunk(msgspec.Struct, frozen=True):
    """One piece of a streamed answer.

    ``text`` is new text, never split inside a character. The last chunk carries ``finish_reason``, and ``usage`` if the
    provider knows it. ``reasoning`` is what the model thinks before it answers: it is not part of the answer, but shows
    that the model is at work.
    """

    text: str = ""
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    reasoning: str = ""


class GenerateOptions(msgspec.Struct, frozen=True, omit_defaults=True):
    """Sampling options of one request. ``None`` keeps the provider's own setting."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repeat_penalty: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    json_schema: dict[str, Any] | None = None
    """The JSON schema of the answer. Providers that cannot constrain their output ignore it."""
    stream: bool = True
    """Whether the caller reads the answer as it is written. If False, a provider may return it as a single chunk."""
    model: str = ""
    """Another model of the same provider, by the provider's own name for it. If it has no such model, the provider
    raises ProviderError of kind ``not_found``.
    """
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    strict: bool = False
    """Whether a client chose these options.

    If True, a provider that cannot follow one of the sampling options raises ProviderError of kind ``rejected``, unless
    the value changes nothing. If False, it leaves the option out.
    """


class Need(msgspec.Struct, frozen=True):
    """A hook that a provider calls through the host: ``generate`` or ``embed``.

    ``provider`` is the instance to call, by default the selected one. ``model`` replaces that instance's own model.
    """

    hook: Literal["generate", "embed"]
    provider: str = ""
    model: str = ""


class TokenCount(msgspec.Struct, frozen=True):
    """The size of a prompt in tokens, chat template included, and the size of the model's context window."""

    prompt: int
    window: int


class Query(msgspec.Struct, frozen=True):
    """A search. ``collection`` is the one that the caller's key may read; None means the store's default."""

    text: str
    collection: str | None = None
    history: tuple[Message, ...] = ()


class Document(msgspec.Struct, frozen=True):
    """A passage, stored or found.

    ``source`` is the file or page it came from; a store replaces all passages of one source together. ``digest``
    identifies the content of the source at the time it was indexed. ``score`` is the similarity that the retriever or
    reranker assigned, from 0 to 1 (best); None if nothing scored it.
    """

    id: str
    text: str
    source: str = ""
    title: str = ""
    link: str = ""
    digest: str = ""
    score: float | None = None
    metadata: dict[str, MetadataValue] = {}


class Collection(msgspec.Struct, frozen=True):
    """A named set of documents in a store, and the embedding model that made its vectors."""

    name: str
    documents: int
    embedding: str = ""
    dimension: int | None = None


class Verdict(msgspec.Struct, frozen=True):
    """A moderator's decision. ``reason`` goes to the operator's log; ``message``, if not empty, to the client."""

    allowed: bool
    reason: str = ""
    message: str = ""


class Health(msgspec.Struct, frozen=True):
    """The state of one component. ``detail`` is one sentence for operators, without secrets."""

    status: HealthStatus = "ok"
    detail: str = ""


class CallContext(msgspec.Struct, frozen=True):
    """Who asked, and how long the answer is useful. Every hook of one request receives the same object.

    ``deadline`` is in seconds of ``time.monotonic()``. ``key_id`` and ``key_hint`` name the caller's API key without
    revealing it.
    """

    request_id: str
    key_id: str = ""
    key_hint: str = ""
    client_name: str = ""
    collection: str | None = None
    session_id: str | None = None
    client_ip: str = ""
    deadline: float | None = None

    def remaining(self) -> float | None:
        """Return the seconds until the deadline, at least 0; None if there is no deadline."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())


class Source(msgspec.Struct, frozen=True):
    """A passage that the model read. The answer cites it as ``[number]``."""

    number: int
    id: str
    title: str
    source: str
    link: str
    score: float | None
    text: str


class SourceRef(msgspec.Struct, frozen=True):
    """A document behind an answer, as the chat log keeps it."""

    id: str
    source: str
    score: float | None


STATUSES_WITHOUT_ERROR = ("ok", "blocked", "cancelled")
"""Values of ``ChatRecord.status`` for turns without an error. Any other status is an error code."""


class ChatRecord(msgspec.Struct, frozen=True):
    """The record of one chat turn, whether it was answered, blocked, cancelled or failed.

    ``timestamp`` is the arrival of the request, in Unix seconds. ``durations`` holds seconds by stage: ``moderate``,
    ``retrieve``, ``rerank``, ``first_token``, ``generate``, ``total``. ``status`` is one of ``STATUSES_WITHOUT_ERROR``
    or the code of the error that the client received.
    """

    timestamp: float
    request_id: str
    query: str
    response: str = ""
    status: str = "ok"
    blocked: bool = False
    reason: str = ""
    backend: str = ""
    model: str = ""
    session_id: str | None = None
    client_ip: str = ""
    key_id: str = ""
    key_hint: str = ""
    client_name: str = ""
    collection: str | None = None
    prompt_id: str | None = None
    prompt_version: str | None = None
    sources: tuple[SourceRef, ...] = ()
    durations: dict[str, float] = {}
    prompt_tokens: int = 0
    completion_tokens: int = 0
