"""The data that hooks exchange: plain, frozen structs without behaviour.

Nothing here imports a web framework, a database or numpy at run time, so importing a plugin stays cheap.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors: TypeAlias = NDArray[np.float32]
    """Embeddings: float32, shape ``(number of texts, dimension)``."""

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]
FinishReason: TypeAlias = Literal["stop", "length", "content_filter", "tool_calls"]
Capability: TypeAlias = Literal["tools", "images", "files", "reasoning", "json_schema", "logprobs", "continue"]
"""What a model may support beyond text: tools, images and files in questions, a choice of its reasoning effort, answers
after a JSON schema, probabilities of tokens, and going on with an answer that the last message begins.
"""
ToolStatus: TypeAlias = Literal["ok", "error", "refused"]
EmbedKind: TypeAlias = Literal["query", "document"]
ModerationStage: TypeAlias = Literal["input", "output"]
HealthStatus: TypeAlias = Literal["ok", "degraded", "down"]
MetadataValue: TypeAlias = str | int | float | bool
SectionKind: TypeAlias = Literal["prose", "table", "code"]
Comparator: TypeAlias = Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"]
"""How a field is compared: equal, unequal, greater, less, or one of several values (``in``) or none (``nin``)."""


class Text(msgspec.Struct, frozen=True, tag="text"):
    """Text between other parts of a message."""

    text: str
    """The text."""


class Image(msgspec.Struct, frozen=True, tag="image"):
    """An image in a message."""

    data: bytes
    """The file: PNG, JPEG, GIF or WebP."""
    media_type: str
    """Its type, such as ``image/png``."""
    detail: str = ""
    """How closely the model should look: ``low``, ``high`` or ``auto``; empty leaves it to the provider."""


class File(msgspec.Struct, frozen=True, tag="file"):
    """A file in a message, such as a PDF."""

    data: bytes
    """The file's content."""
    media_type: str
    """Its type, such as ``application/pdf``."""
    name: str = ""
    """Its name; empty if unknown."""


Part: TypeAlias = Text | Image | File
"""A piece of a message that is not only text."""


class ToolCall(msgspec.Struct, frozen=True):
    """A model's call of a tool."""

    id: str
    """Names the call within the conversation; the message with its result repeats it."""
    name: str
    """The tool."""
    arguments: str
    """The arguments: a JSON object, as text."""


class Thought(msgspec.Struct, frozen=True):
    """Thoughts of a model, whole or a piece of them."""

    text: str = ""
    """The thoughts; empty if the provider keeps them to itself."""
    signature: str = ""
    """Proves to the provider that the thoughts are its own when they come back. It ends them; only it can read it."""


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One turn of a conversation as the model sees it."""

    role: Role
    """Who says it: the operator's prompt, the user, the model, or a tool that the model called."""
    content: str
    """The whole text. Empty if an answer only calls tools."""
    parts: tuple[Part, ...] = ()
    """All parts in order, texts included, if something in the message is not text. Else empty."""
    tool_calls: tuple[ToolCall, ...] = ()
    """The tools that an answer called."""
    tool_call_id: str = ""
    """The call whose result a message of the role ``tool`` brings."""
    thoughts: tuple[Thought, ...] = ()
    """The signed thoughts before ``tool_calls``, if they came back with the results. Other providers ignore them."""


class Tool(msgspec.Struct, frozen=True):
    """A function that a model may call."""

    name: str
    """Its name: letters, digits, ``_`` and ``-``."""
    description: str = ""
    """What it does, for the model."""
    parameters: dict[str, Any] | None = None
    """The JSON schema of its arguments; None if it takes none."""
    strict: bool | None = None
    """Whether the arguments must follow the schema exactly; None leaves it to the provider."""


class ToolChoice(msgspec.Struct, frozen=True):
    """Whether a model calls tools."""

    mode: Literal["auto", "none", "required"] = "auto"
    """``auto`` leaves it to the model, ``none`` forbids calls, ``required`` demands at least one."""
    name: str = ""
    """With ``required``: the tool to call. Empty means any."""


class ToolResult(msgspec.Struct, frozen=True):
    """What a tool of a provider returned."""

    text: str
    """The result, for the model. The host cuts what is too long."""
    error: bool = False
    """Whether the call failed. ``text`` then tells the model why, so that it can call again with other arguments."""


class Usage(msgspec.Struct, frozen=True):
    """Tokens read and written for one answer."""

    prompt_tokens: int = 0
    """Tokens read; 0 if the provider does not count."""
    completion_tokens: int = 0
    """Tokens written; 0 if the provider does not count."""
    cached_tokens: int = 0
    """Tokens of the prompt that came from a cache."""
    reasoning_tokens: int = 0
    """Tokens written for thoughts; ``completion_tokens`` contains them."""


class LikelyToken(msgspec.Struct, frozen=True):
    """A token that a model could have written."""

    token: str
    """Its text."""
    logprob: float
    """The logarithm of its probability."""
    bytes: tuple[int, ...] | None = None
    """Its bytes, if they are known."""


class WrittenToken(msgspec.Struct, frozen=True):
    """A token that a model wrote."""

    token: str
    """Its text."""
    logprob: float
    """The logarithm of its probability."""
    bytes: tuple[int, ...] | None = None
    """Its bytes, if they are known."""
    top_logprobs: tuple[LikelyToken, ...] = ()
    """The likeliest tokens in its place, as many as the request wanted."""


class Chunk(msgspec.Struct, frozen=True):
    """One piece of a streamed answer."""

    text: str = ""
    """New text, never split inside a character."""
    finish_reason: FinishReason | None = None
    """Why the answer ends; set on the last chunk alone."""
    usage: Usage | None = None
    """Tokens of the whole answer, on the last chunk, if the provider knows them."""
    reasoning: str = ""
    """New thoughts of the model. They are no part of the answer, but show that the model is alive."""
    tool_calls: tuple[ToolCall, ...] = ()
    """New calls of tools, each of them whole. The answer then ends with the finish reason ``tool_calls``."""
    logprobs: tuple[WrittenToken, ...] = ()
    """The tokens of ``text``, if the request wants their probabilities."""
    signature: str = ""
    """Ends the thoughts so far and signs them, as in ``Thought``."""
    stopped_by: str = ""
    """The text of ``GenerateOptions.stop`` that ended the answer, if the provider knows; on the last chunk."""


class GenerateOptions(msgspec.Struct, frozen=True, omit_defaults=True):
    """Sampling options of one request. ``None`` keeps the provider's own setting."""

    temperature: float | None = None
    """Randomness from 0, the likeliest token, upwards."""
    top_p: float | None = None
    """Sample from the likeliest tokens that together have this probability, 0 to 1."""
    top_k: int | None = None
    """Sample from this many of the likeliest tokens; 0 is all."""
    min_p: float | None = None
    """Drop tokens less likely than this share of the likeliest one's probability."""
    repeat_penalty: float | None = None
    """Above 1 makes recent tokens less likely; 1 is off."""
    max_tokens: int | None = None
    """The longest answer, in tokens."""
    seed: int | None = None
    """Makes sampling repeatable."""
    stop: tuple[str, ...] = ()
    """The answer ends before the first of these texts."""
    json_schema: dict[str, Any] | None = None
    """The JSON schema of the answer. Providers that cannot constrain their output ignore it."""
    stream: bool = True
    """Whether the caller reads the answer as it is written. If False, a provider may return it as a single chunk."""
    model: str = ""
    """Another model of the same provider, by the provider's own name for it. If it has no such model, the provider
    raises ProviderError of kind ``not_found``.
    """
    presence_penalty: float | None = None
    """Above 0 makes tokens that occurred less likely."""
    frequency_penalty: float | None = None
    """Above 0 makes tokens less likely the more often they occurred."""
    strict: bool = False
    """Whether a client chose these options.

    If True, a provider that cannot follow one of the sampling options raises ProviderError of kind ``rejected``, unless
    the value changes nothing. If False, it leaves the option out.
    """
    tools: tuple[Tool, ...] = ()
    """The tools that the model may call. The host passes tools only to a model that supports them (hook ``models``)."""
    tool_choice: ToolChoice | None = None
    """Whether it calls them. None is ``auto``."""
    parallel_tool_calls: bool | None = None
    """Whether one answer may call several tools."""
    reasoning_effort: str | None = None
    """How much the model thinks: ``none``, ``minimal``, ``low``, ``medium``, ``high`` or ``xhigh``."""
    logprobs: int | None = None
    """Return the probability of each token, and of so many of the likeliest tokens in its place."""
    response_format: dict[str, Any] | None = None
    """The format as the client asked for it, in the form of OpenAI's API; ``json_schema`` has its schema."""
    extra: dict[str, Any] = {}
    """Parameters of the client that ORBIT does not know, if the operator lets them pass."""


class Model(msgspec.Struct, frozen=True):
    """A model that a provider can answer with."""

    name: str
    """The provider's name for it."""
    window: int | None = None
    """Tokens that it can read and write together; None if unknown."""
    supports: frozenset[Capability] = frozenset()
    """What it can do beyond text."""


class Need(msgspec.Struct, frozen=True):
    """A hook that a provider calls through the host."""

    hook: Literal["generate", "embed"]
    """The hook."""
    provider: str = ""
    """The instance to call; empty means the selected one."""
    model: str = ""
    """Another model than the instance's own."""
    setting: str = "provider"
    """The setting that names the instance, for messages about it."""


class TokenCount(msgspec.Struct, frozen=True):
    """The size of a prompt in tokens, chat template included, and the size of the model's context window."""

    prompt: int
    """Tokens of the prompt, the chat template included."""
    window: int
    """Tokens that the model can read and write together."""


class ComparisonFilter(msgspec.Struct, frozen=True):
    """A condition on one field of a passage. A field that the passage lacks meets only ``ne`` and ``nin``."""

    type: Comparator
    """How the field is compared. ``gt``, ``gte``, ``lt`` and ``lte`` compare numbers, and no other value meets them."""
    key: str
    """``source``, ``title`` or ``link``, or else the name of a field of ``Document.metadata``."""
    value: MetadataValue | tuple[MetadataValue, ...]
    """The value to compare with; several for ``in`` and ``nin``. 3 equals 3.0, but 1 does not equal True."""


class CompoundFilter(msgspec.Struct, frozen=True):
    """Several conditions, of which all (``and``) or at least one (``or``) must be met."""

    type: Literal["and", "or"]
    """How they are joined."""
    filters: tuple[Filter, ...]
    """The conditions, at least one."""


Filter: TypeAlias = ComparisonFilter | CompoundFilter
"""A condition that a passage must meet. ``orbit.filters`` checks it."""


class Query(msgspec.Struct, frozen=True):
    """A search."""

    text: str
    """The question."""
    collection: str | None = None
    """The collection that the caller's key may read; None means the retriever's default."""
    history: tuple[Message, ...] = ()
    """Earlier turns of the conversation, oldest first."""
    compared: bool = False
    """Whether the host compares the scores of all retrievers and leaves out what is not relevant. A retriever then
    returns its best passages whatever their scores: a cut of its own would hide them from the fusion.
    """
    filter: Filter | None = None
    """A condition that each passage must meet; None if there is none. See ``Provider.filters``."""
    readers: frozenset[str] = frozenset()
    """The groups of the caller. A passage with ``Document.readers`` must have one of them. See ``Provider.filters``."""


class Document(msgspec.Struct, frozen=True):
    """A passage, stored or found."""

    id: str
    """Names the passage; passages of several retrievers with one id are the same."""
    text: str
    """The passage itself."""
    source: str = ""
    """The file or page that it came from. All passages of one source are replaced together."""
    title: str = ""
    """The title of the source."""
    link: str = ""
    """An address where people can read the source."""
    digest: str = ""
    """Identifies the content that the source had when it was indexed."""
    score: float | None = None
    """Similarity to the question, 0 to 1 (1 is best), by the retriever or reranker; None if nothing scored it."""
    metadata: dict[str, MetadataValue] = {}
    """Further facts, such as ``page`` or ``row``."""
    also: tuple[str, ...] = ()
    """Other sources that say the same, such as copies of the file. The host sets it."""
    readers: tuple[str, ...] = ()
    """The groups that may read the passage; empty for everybody who may read the collection. ORBIT gives passages with
    readers only to stores that filter (``Provider.filters``).
    """


class SourceFile(msgspec.Struct, frozen=True):
    """A file to read."""

    name: str
    """Its source name. The extension selects the reader."""
    content: bytes
    """All its bytes."""


class Fetched(msgspec.Struct, frozen=True):
    """A file that a connector found."""

    name: str
    """Its path in what the connector lists, with ``/``. The extension selects the reader."""
    content: bytes | None = None
    """All its bytes; None if it has not changed, or cannot be fetched."""
    version: str = ""
    """Changes whenever the content changes, such as an ETag; empty if nothing shows a change but the content."""
    link: str = ""
    """An address where people can read it."""
    problem: str = ""
    """Why it cannot be fetched now, as the end of a sentence that begins with its name. It counts as existing."""
    metadata: dict[str, MetadataValue] = {}
    """Facts about the file for the metadata of all its passages. ``version`` must change when they do."""
    readers: tuple[str, ...] = ()
    """The groups that may read the file; empty for everybody who may read the collection. ``version`` must change when
    they do.
    """


class Section(msgspec.Struct, frozen=True):
    """A coherent piece of a file, such as the text below a heading or a table."""

    text: str
    """The text. A line of a table is a row."""
    path: tuple[str, ...] = ()
    """The headings above it, outermost first."""
    title: str = ""
    """The title of its passages, if it is not the file's."""
    metadata: dict[str, MetadataValue] = {}
    """Where it is in the file: ``page``, ``sheet``, ``row``, ``slide`` or ``line``, each from 1. A passage further down
    a table with a ``row``, or a text with a ``line``, gets its own.
    """
    markdown: bool = False
    """Whether the text is Markdown."""
    whole: bool = False
    """Whether it must stay in one passage, which then has no headings above it."""
    header: str = ""
    """The first line or lines of a table, not part of ``text``. Each passage of the table repeats them."""
    kind: SectionKind = "prose"
    """The kind of text, which decides where it may be split."""


class Content(msgspec.Struct, frozen=True):
    """All of a file's text."""

    sections: tuple[Section, ...]
    """The text, in order."""
    title: str = ""
    """The file's title; empty if it has none."""
    warnings: tuple[str, ...] = ()
    """What could not be read or had to be guessed, each a sentence for the person who added the file."""
    attachments: tuple[SourceFile, ...] = ()
    """Files inside the file. Their own readers read them; their passages have the attachment's name in their path."""


class Calibration(msgspec.Struct, frozen=True):
    """The scale of a retriever's scores, or of an embedding model's cosine similarities."""

    irrelevant: float
    """The usual score of the best passage for a question that no passage answers."""
    certain: float
    """The score from which a passage surely answers; above ``irrelevant``."""
    weight: float = 1.0
    """How much these scores count beside those of a full-text search."""
    scripts: tuple[str, ...] = ()
    """The scripts of the languages that the model knows, by the first words of Unicode's names of their letters, such
    as ``LATIN`` and ``CJK``; empty for all. Scores of questions in other scripts do not count.
    """
    languages: tuple[str, ...] = ()
    """The languages that the model knows well, by their ISO 639-1 codes, such as ``en``; empty for all of its scripts.
    For questions in others, its scores count less for whether anything answers.
    """


class Collection(msgspec.Struct, frozen=True):
    """A named set of documents in a store, and the embedding model that made its vectors."""

    name: str
    """The name of the collection."""
    documents: int
    """The number of passages."""
    embedding: str = ""
    """Provider and model of its vectors, as ``provider/model``; empty if unknown."""
    dimension: int | None = None
    """The length of its vectors; None if unknown."""


class Verdict(msgspec.Struct, frozen=True):
    """A moderator's decision."""

    allowed: bool
    """Whether the text may pass."""
    reason: str = ""
    """Why not, for the operator's log."""
    message: str = ""
    """What the client reads instead; empty means the configured message."""


class Health(msgspec.Struct, frozen=True):
    """The state of one component."""

    status: HealthStatus = "ok"
    """The state."""
    detail: str = ""
    """One sentence for operators, without secrets."""


class Notice(msgspec.Struct, frozen=True):
    """A text that a provider could only use in part."""

    text: str
    """The text as the hook was given it."""
    reason: str
    """What happened to it, for operators: continues a sentence that begins with the name of its source."""


class CallContext(msgspec.Struct, frozen=True):
    """Who asks, and until when. Every hook of one request gets the same object."""

    request_id: str
    """Names the request in answers, errors and logs."""
    key_id: str = ""
    """The id of the caller's API key; empty without a key."""
    key_hint: str = ""
    """The last four characters of that key."""
    client_name: str = ""
    """Who the key is for."""
    collection: str | None = None
    """The key's collection; None if it has none."""
    session_id: str | None = None
    """The conversation that the client named; None if it named none."""
    client_ip: str = ""
    """The client's address."""
    deadline: float | None = None
    """When the answer is of no use any more, in seconds of ``time.monotonic()``; None means never."""

    notices: list[Notice] | None = None
    """Where ``embed`` may append a notice for each text that it shortened; None if nobody reads them."""
    progress: Callable[[int], None] | None = None
    """What a long ``index`` calls with the number of passages finished since its last call; None if nobody counts.

    Each call restarts the hook's deadline. ``host.embed`` calls it for the passages that it embeds, so that a store
    which embeds need only report the batches that it writes, with 0.
    """
    groups: frozenset[str] = frozenset()
    """The groups of the caller's API key, which decide what restricted passages it may read."""

    def remaining(self) -> float | None:
        """Return the seconds until the deadline, at least 0; None if there is no deadline."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())

    def within(self, seconds: float) -> CallContext:
        """Return the same with a deadline in so many seconds, unless it has a nearer one.

        For ``host.generate`` and other calls that the caller waits for only so long: the host then knows when to ask
        another provider of a model.
        """
        deadline = time.monotonic() + seconds
        if self.deadline is not None and self.deadline <= deadline:
            return self
        return msgspec.structs.replace(self, deadline=deadline)


class Source(msgspec.Struct, frozen=True):
    """A passage that the model was given."""

    number: int
    """What the answer cites as ``[number]``."""
    id: str
    """The id of the passage."""
    title: str
    """The title of its source."""
    source: str
    """The file or page that it came from."""
    link: str
    """An address where people can read the source; empty if unknown."""
    score: float | None
    """Similarity to the question, 0 to 1; None if nothing scored it."""
    text: str
    """The passage itself."""
    heading: str = ""
    """The headings above the passage, outermost first, such as ``Leave > Parents``."""
    location: dict[str, MetadataValue] = {}
    """Where it is in the source: ``page``, ``slide``, ``sheet``, ``row``, ``cell`` or ``line``, as far as known."""
    also: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    """Other sources that say the same, such as copies of the file; absent if there are none."""


class SourceRef(msgspec.Struct, frozen=True, omit_defaults=True):
    """A document behind an answer, as the chat log keeps it."""

    id: str
    """The id of the passage."""
    source: str
    """The file or page that it came from."""
    score: float | None
    """Similarity to the question, 0 to 1; None if nothing scored it."""
    location: dict[str, MetadataValue] = {}
    """Where it is in the source: ``page``, ``slide``, ``sheet``, ``row``, ``cell`` or ``line``, as far as known."""


class ToolUse(msgspec.Struct, frozen=True):
    """A tool that the server called for an answer, as the chat log keeps it."""

    id: str
    """The id of the model's call."""
    name: str
    """The tool."""
    arguments: str
    """The arguments as the model wrote them, as far as they are kept."""
    provider: str = ""
    """The provider instance of the tool; empty if there is no such tool."""
    status: ToolStatus = "ok"
    """Whether it succeeded, failed, or was not called: there is no such tool, or a limit was reached."""
    result: str = ""
    """The beginning of what the model read."""
    seconds: float = 0.0
    """The duration."""


STATUSES_WITHOUT_ERROR = ("ok", "blocked", "cancelled")
"""Values of ``ChatRecord.status`` for turns without an error. Any other status is an error code."""


class ChatRecord(msgspec.Struct, frozen=True):
    """One chat turn as logs keep it, whether it was answered, blocked, cancelled or failed."""

    timestamp: float
    """When the request arrived, in Unix seconds."""
    request_id: str
    """The id of the request."""
    query: str
    """The question."""
    response: str = ""
    """What the client received of the answer."""
    status: str = "ok"
    """One of ``STATUSES_WITHOUT_ERROR``, or the code of the error that the client got."""
    blocked: bool = False
    """Whether moderation refused the question or the rest of the answer."""
    reason: str = ""
    """Why it was refused or failed, for operators."""
    backend: str = ""
    """The provider instance that answered; empty if no model was asked."""
    model: str = ""
    """The model that answered."""
    session_id: str | None = None
    """The conversation; None if the client named none."""
    client_ip: str = ""
    """The client's address."""
    key_id: str = ""
    """The id of the API key."""
    key_hint: str = ""
    """The last four characters of that key."""
    client_name: str = ""
    """Who the key is for."""
    collection: str | None = None
    """The collection that was searched; None if the key has none."""
    prompt_id: str | None = None
    """The system prompt of the key; None if it has none."""
    prompt_version: str | None = None
    """The version of that prompt."""
    sources: tuple[SourceRef, ...] = ()
    """The passages that the model was given."""
    durations: dict[str, float] = {}
    """Seconds by stage: ``moderate``, ``retrieve``, ``rerank``, ``first_token``, ``generate``, ``total``."""
    prompt_tokens: int = 0
    """Tokens read."""
    completion_tokens: int = 0
    """Tokens written."""
    tool_calls: tuple[ToolCall, ...] = ()
    """The tools that the answer called and the client runs."""
    tries: int = 0
    """How many providers were asked until one answered; 0 if no model was asked."""
    tool_uses: tuple[ToolUse, ...] = ()
    """The tools that the server called for the answer, in order."""
    task: str = ""
    """What a client wants for its own page, such as ``title_generation``; empty for a question of a person."""
