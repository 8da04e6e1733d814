"""What flows through the hooks: plain, frozen data without behaviour of its own.

Nothing here imports a web framework, a database or numpy at run time, so that importing a plugin stays cheap.
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

    ``text`` is what is new, never split inside a character. The last chunk has the ``finish_reason``, and the
    ``usage`` if the provider knows it. ``reasoning`` is what the model thinks before its answer: it is no part of the
    answer, but shows that the model is alive.
    """

    text: str = ""
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    reasoning: str = ""


class GenerateOptions(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one request asks of the sampler. ``None`` leaves the provider's own setting in force."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repeat_penalty: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    json_schema: dict[str, Any] | None = None
    """The answer must be JSON of this schema. A provider that cannot constrain its output ignores it."""
    stream: bool = True
    """Whether pieces are wanted as they come. If not, a provider may give the whole answer as one chunk."""
    model: str = ""
    """Another model of the same provider, by its own name. A provider that does not have it raises ProviderError of
    kind ``not_found``.
    """
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    strict: bool = False
    """Whether a client asked for these options. Then a provider raises ProviderError of kind ``rejected`` for an option
    of the sampler that it cannot follow, unless the value changes nothing. Otherwise it leaves such an option out.
    """


class Need(msgspec.Struct, frozen=True):
    """What a provider asks of the host: to ``generate`` or to ``embed``.

    ``provider`` is the instance that shall do it, by default the selected one; ``model`` is another model than its own.
    """

    hook: Literal["generate", "embed"]
    provider: str = ""
    model: str = ""


class TokenCount(msgspec.Struct, frozen=True):
    """How much of a model's context a prompt takes, in tokens, the chat template included."""

    prompt: int
    window: int


class Query(msgspec.Struct, frozen=True):
    """What to look for. ``collection`` is the one the caller's key may read; None means the store's default."""

    text: str
    collection: str | None = None
    history: tuple[Message, ...] = ()


class Document(msgspec.Struct, frozen=True):
    """A passage, stored or found.

    ``source`` names the file or page it came from; all passages of one source are replaced together.
    ``digest`` identifies the content the source had when it was indexed. ``score`` is the similarity
    in 0..1 (1 is best) that the retriever or reranker gave; None if it was never scored.
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
    """A named set of documents in a store, and the embedding model its vectors were made with."""

    name: str
    documents: int
    embedding: str = ""
    dimension: int | None = None


class Verdict(msgspec.Struct, frozen=True):
    """A moderator's decision. ``reason`` is for the operator's log, ``message`` for the client if not empty."""

    allowed: bool
    reason: str = ""
    message: str = ""


class Health(msgspec.Struct, frozen=True):
    """The state of one component. ``detail`` is one sentence for operators; it holds no secrets."""

    status: HealthStatus = "ok"
    detail: str = ""


class CallContext(msgspec.Struct, frozen=True):
    """Who asked, and until when an answer is of use. The same object goes to every hook of one request.

    ``deadline`` is in seconds of ``time.monotonic()``; ``key_id`` and ``key_hint`` name the caller's API key
    without revealing it.
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
        """Seconds until the deadline, at least 0; None if there is no deadline."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())


class Source(msgspec.Struct, frozen=True):
    """A passage that the model was given. ``number`` is what the answer cites as ``[number]``."""

    number: int
    id: str
    title: str
    source: str
    link: str
    score: float | None
    text: str


class SourceRef(msgspec.Struct, frozen=True):
    """A document that an answer was given from, as the chat log keeps it."""

    id: str
    source: str
    score: float | None


STATUSES_WITHOUT_ERROR = ("ok", "blocked", "cancelled")
"""How a turn may end, as ``ChatRecord.status`` has it; any other status is the code of an error."""


class ChatRecord(msgspec.Struct, frozen=True):
    """Everything worth keeping of one chat turn, whether it was answered, blocked, cancelled or failed.

    ``timestamp`` is when the request arrived, in Unix seconds. ``durations`` are seconds by stage: ``moderate``,
    ``retrieve``, ``rerank``, ``first_token``, ``generate``, ``total``. ``status`` is one of
    ``STATUSES_WITHOUT_ERROR`` or the code of the error the client got.
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
