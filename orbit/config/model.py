"""The host's own configuration sections as typed Structs. Every other top-level section belongs to a plugin."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from orbit.config.models import ModelsSettings

Seconds = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]
Weight = Annotated[float, Meta(ge=0)]
Similarity = Annotated[float, Meta(ge=0, le=1)]
Port = Annotated[int, Meta(ge=0, le=65535)]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


class Section(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Base of all sections. Unknown keys are errors."""


class Https(Section, forbid_unknown_fields=True, frozen=True):
    """``general.https``: TLS of the server."""

    enabled: Annotated[bool, Meta(description="Serve HTTPS.")] = False
    port: Annotated[Port, Meta(description="Port for HTTPS.")] = 3443
    cert_file: Annotated[str, Meta(description="PEM file with the certificate chain.")] = ""
    key_file: Annotated[str, Meta(description="PEM file with the private key.")] = ""
    redirect_http: Annotated[
        bool | None,
        Meta(
            description="Redirect HTTP requests to HTTPS, except health checks and certificate challenges; by default "
            "if HTTPS is enabled. false also serves plain HTTP."
        ),
    ] = None
    hsts_seconds: Annotated[
        int,
        Meta(
            ge=0,
            description="Seconds that browsers must insist on HTTPS (`Strict-Transport-Security`); 0: no header.",
        ),
    ] = 0
    acme_folder: Annotated[
        str, Meta(description="Folder of the files under /.well-known/acme-challenge/; empty for none.")
    ] = ""

    @property
    def redirects(self) -> bool:
        """Whether plain HTTP only leads to HTTPS."""
        return self.enabled and self.redirect_http is not False


class General(Section, forbid_unknown_fields=True, frozen=True):
    """``general``: the server, and the provider for each stage."""

    host: Annotated[str, Meta(description="Address to listen on; 0.0.0.0 for every interface.")] = "127.0.0.1"
    port: Annotated[Port, Meta(description="Port for HTTP.")] = 3000
    verbose: Annotated[bool, Meta(description="Log at DEBUG level.")] = False
    https: Annotated[Https, Meta(description="TLS of the server.")] = Https()
    trusted_proxies: Annotated[
        tuple[str, ...],
        Meta(
            description="Addresses or networks of reverse proxies whose X-Forwarded-For and -Proto the server trusts."
        ),
    ] = ()
    image_hosts: Annotated[
        tuple[str, ...],
        Meta(
            description="Hosts from which the server fetches images that requests name by address; '*' for all. Never "
            "from private addresses. Others must come as data URLs."
        ),
    ] = ()
    root_path: Annotated[
        str,
        Meta(
            pattern=r"^(/[A-Za-z0-9._~-]+)*/?$",
            examples=["/orbit"],
            description="Path under which a reverse proxy serves ORBIT, such as /orbit; empty: at its top.",
        ),
    ] = ""
    pass_parameters: Annotated[
        tuple[str, ...],
        Meta(
            description="Parameters of /v1/chat/completions that go to the model's server as they are, such as "
            "chat_template_kwargs; ollama, openai and anthropic send them on."
        ),
    ] = ()
    data_dir: Annotated[str, Meta(description="Folder for data that must survive a restart.")] = "data"
    inference_provider: Annotated[
        str, Meta(description="Provider instance that generates; required if several can.")
    ] = ""
    embedding_provider: Annotated[str, Meta(description="Provider instance that embeds; required if several can.")] = ""
    store_provider: Annotated[
        str, Meta(description="Provider instance that stores documents; empty: every enabled one that can.")
    ] = ""
    stream_text: Annotated[
        Literal["delta", "cumulative"],
        Meta(description="Text in a stream frame: only the new text, or (for older clients) all text so far."),
    ] = "delta"
    default_system_prompt: Annotated[str, Meta(description="System prompt for keys without their own.")] = (
        "You are a helpful assistant. Answer briefly and truthfully."
    )

    @property
    def root(self) -> str:
        """``root_path`` without a slash at its end."""
        return self.root_path.rstrip("/")


class Limits(Section, forbid_unknown_fields=True, frozen=True):
    """``limits``: what a single request, and all requests together, may use."""

    max_body_bytes: Annotated[Count, Meta(description="Largest request body, in bytes; larger ones get 413.")] = (
        1_048_576
    )
    max_attached_bytes: Annotated[
        int,
        Meta(ge=0, description="Largest images and files of a request together, in bytes of base64, beside the body."),
    ] = 12_582_912
    max_message_chars: Annotated[Count, Meta(description="Longest message, in characters; longer ones get 413.")] = (
        32_768
    )
    max_concurrent: Annotated[Count, Meta(description="Chat turns that run at the same time, per worker.")] = 64
    max_queued: Annotated[
        int,
        Meta(
            ge=0,
            description="Chat turns that wait for a free slot. When the queue is full, the key with the most gets 503.",
        ),
    ] = 256
    max_answer_tokens: Annotated[
        Count, Meta(description="Tokens of the context kept free for the answer when documents are fitted into it.")
    ] = 512
    max_answer_chars: Annotated[
        Count,
        Meta(description="Longest answer, in characters. A longer one ends there, with the finish reason `length`."),
    ] = 200_000


class Timeouts(Section, forbid_unknown_fields=True, frozen=True):
    """``timeouts``: deadlines in seconds."""

    start: Annotated[Seconds, Meta(description="For each provider to start.")] = 300.0
    stop: Annotated[Seconds, Meta(description="For each provider to stop.")] = 10.0
    health: Annotated[Seconds, Meta(description="For each provider to report its health.")] = 2.0
    embed: Annotated[
        Seconds, Meta(description="For one call to the embedding provider; ORBIT sends it as many passages as fit.")
    ] = 30.0
    retrieve: Annotated[Seconds, Meta(description="For each retriever.")] = 10.0
    index: Annotated[
        Seconds,
        Meta(description="For a store to make progress: each batch of passages that it embeds or writes restarts it."),
    ] = 300.0
    fetch: Annotated[Seconds, Meta(description="For a connector to give its next file.")] = 300.0
    rerank: Annotated[Seconds, Meta(description="For each reranker.")] = 20.0
    rewrite: Annotated[Seconds, Meta(description="For the model that rewrites follow-up questions.")] = 5.0
    moderate: Annotated[Seconds, Meta(description="For each moderator.")] = 20.0
    first_token: Annotated[Seconds, Meta(description="For the model to begin its answer, queueing included.")] = 120.0
    thinking: Annotated[
        Seconds, Meta(description="For the model to think before its answer, from its first thought.")
    ] = 600.0
    next_token: Annotated[Seconds, Meta(description="For each later piece of the answer.")] = 60.0
    tools: Annotated[Seconds, Meta(description="For each provider of tools to name them.")] = 5.0
    call_tool: Annotated[Seconds, Meta(description="For each call of a tool.")] = 60.0
    log: Annotated[Seconds, Meta(description="For each log sink to take a record.")] = 10.0
    queue: Annotated[Seconds, Meta(description="For a chat turn to wait for a free slot.")] = 30.0
    turn: Annotated[Seconds, Meta(description="For a whole chat turn, from the request to its end.")] = 600.0
    send: Annotated[
        Seconds, Meta(description="For a client to read; one that reads nothing for this long is disconnected.")
    ] = 20.0
    drain: Annotated[Seconds, Meta(description="For running answers to finish when the server stops.")] = 30.0
    receive: Annotated[Seconds, Meta(description="For a request to arrive completely, headers and body; else 408.")] = (
        30.0
    )
    ping: Annotated[Seconds, Meta(description="Silence in a stream before the server sends a ping comment.")] = 15.0


class RetrievalSettings(Section, forbid_unknown_fields=True, frozen=True):
    """``retrieval``: the search for passages and their place in the prompt."""

    limit: Annotated[Count, Meta(description="Documents requested from each retriever; at least max_documents.")] = 10
    instruction: Annotated[
        str, Meta(description="Instruction between the passages and the question in the prompt.")
    ] = "Answer from the passages:"
    max_documents: Annotated[
        Count, Meta(description="Most documents that the model reads: the best ones, after reranking.")
    ] = 4
    expand: Annotated[
        int,
        Meta(
            ge=0,
            le=10,
            description="Passages before and after each of these in its source that the model reads as well, as far as "
            "its window allows.",
        ),
    ] = 0
    weights: Annotated[
        dict[str, Weight],
        Meta(description="Weight of a retriever's scores in the fusion, by its section; by default its own."),
    ] = {}
    threshold: Annotated[
        Similarity | None,
        Meta(description="Minimum certainty, 0 to 1, that the passages found by fused scores answer; null: 0.25."),
    ] = None
    thresholds: Annotated[
        dict[str, Similarity], Meta(description="The threshold of single collections, by their names.")
    ] = {}
    on_error: Annotated[
        Literal["refuse", "answer_without"],
        Meta(description="When a retriever fails: answer 503, or answer without documents and say so."),
    ] = "refuse"
    rewriter: Annotated[
        str,
        Meta(
            description="Model of the section models, or provider instance, that rewrites follow-up questions for the "
            "search; empty: they are searched together with the questions before them."
        ),
    ] = ""
    on_nothing_found: Annotated[
        Literal["answer_without", "respond"],
        Meta(
            description="When the search of a collection, even a default one, finds nothing: "
            "answer without documents, or send the fixed text. If the client has tools, the model always answers."
        ),
    ] = "respond"


class Messages(Section, forbid_unknown_fields=True, frozen=True):
    """``messages``: fixed texts for clients."""

    no_results_response: Annotated[str, Meta(description="Answer if the search finds nothing relevant.")] = (
        "I could not find anything about that in the documents I have."
    )
    refusal_response: Annotated[str, Meta(description="Answer to a question that moderation refuses.")] = (
        "I cannot help with that request."
    )


class ToolsSettings(Section, forbid_unknown_fields=True, frozen=True):
    """``tools``: the tools that the server calls for its models. Providers such as `mcp` have them."""

    allow: Annotated[
        dict[str, tuple[str, ...]],
        Meta(
            description="Tools that a key may use, by its client name or id; `*` is for all other keys. Names may have "
            "wildcards, such as `files_*`. Empty: every key may use every tool."
        ),
    ] = {}
    max_rounds: Annotated[
        Count, Meta(description="How often the model may call tools in one answer before it has to answer.")
    ] = 8
    max_calls: Annotated[Count, Meta(description="Most calls of tools in one answer, all rounds together.")] = 32
    max_result_chars: Annotated[
        Count, Meta(description="Longest result of a tool that the model reads, in characters; the rest is cut.")
    ] = 20_000


class Answers(Section, forbid_unknown_fields=True, frozen=True):
    """``answers``: what is checked in answers from passages."""

    verify: Annotated[
        Literal["off", "mark", "withhold"],
        Meta(
            description="When an answer has a number, name or address that is neither in the passages nor in the "
            "conversation: pass it, name it after the answer, or end the answer before that sentence."
        ),
    ] = "off"
    mark: Annotated[str, Meta(description="Text after such an answer; `{claims}` is what was not found.")] = (
        "Please check: the documents do not mention {claims}."
    )
    withheld: Annotated[str, Meta(description="Text in place of the rest of such an answer.", min_length=1)] = (
        "I cannot confirm the rest of this answer from the documents."
    )

    def __post_init__(self) -> None:
        """Refuse names in braces that nothing would replace."""
        for name in re.findall(r"\{\w*\}", self.mark):
            if name != "{claims}":
                raise ValueError(f"mark: nothing replaces {name}; what was not found is {{claims}}")


class Ingest(Section, forbid_unknown_fields=True, frozen=True):
    """``ingest``: how files become passages."""

    chunk_size: Annotated[Count, Meta(description="Longest passage, in characters.")] = 900
    chunk_overlap: Annotated[int, Meta(ge=0, description="Characters that adjacent passages of plain text share.")] = (
        100
    )
    max_file_bytes: Annotated[Count, Meta(description="Largest file, in bytes.")] = 50_000_000
    max_upload_bytes: Annotated[
        Count, Meta(description="Largest upload on the operator's page, all files together, in bytes.")
    ] = 200_000_000
    batch_size: Annotated[
        Count, Meta(description="Passages that the store is given at once; never a part of a file.")
    ] = 1_000
    encoding: Annotated[
        str,
        Meta(description="Encoding of text files that are not in Unicode, such as windows-1252; empty to guess it."),
    ] = ""
    keep_unreadable: Annotated[
        bool,
        Meta(description="Keep the earlier passages of a file that cannot be read any more, instead of removing them."),
    ] = False
    readers: Annotated[
        int, Meta(ge=0, description="Processes that read files at the same time; 0 for one per processor core.")
    ] = 0
    splitter: Annotated[
        str, Meta(description="Provider instance that splits; required if several can. If none can, ORBIT splits.")
    ] = ""
    read_timeout: Annotated[
        Seconds, Meta(description="Seconds to read one file; then its reading process is killed and the file skipped.")
    ] = 120.0
    read_memory: Annotated[Count, Meta(description="Memory to read one file, in bytes; only Linux enforces it.")] = (
        2_000_000_000
    )

    def __post_init__(self) -> None:
        try:
            "a".encode(self.encoding or "utf-8")  # "base64" is a codec, but of bytes
        except LookupError:
            raise ValueError(f"encoding: no encoding is called '{self.encoding}'; try utf-8 or windows-1252") from None


class SyncSettings(Section, forbid_unknown_fields=True, frozen=True):
    """``sync``: what ``orbit sync`` does with the files of connectors."""

    collections: Annotated[
        dict[str, str],
        Meta(description="Collection of each connector's files, by its section; others have the section's name."),
    ] = {}
    every: Annotated[Seconds, Meta(description="Seconds between two runs of a connector, with `--watch`.")] = 3600.0
    intervals: Annotated[
        dict[str, Seconds], Meta(description="The same for single connectors, by their sections.")
    ] = {}


class Documents(Section, forbid_unknown_fields=True, frozen=True):
    """``documents``: links from answers to the ingested files."""

    serve: Annotated[
        bool,
        Meta(description="Serve ingested files under /documents, to those who may read their collection."),
    ] = False
    address: Annotated[
        str,
        Meta(
            pattern=r"^(https?://[^/?#\s]+(/[A-Za-z0-9._~-]+)*/?)?$",
            examples=["https://chat.example.org"],
            description="Address of the server in links, such as https://chat.example.org; empty: that of the request.",
        ),
    ] = ""
    link_hours: Annotated[
        float,
        Meta(gt=0, le=8760, description="Hours for which a link opens a file without the API key."),
    ] = 24.0


class Sqlite(Section, forbid_unknown_fields=True, frozen=True):
    """``sqlite``: the embedded database of keys, prompts and conversations."""

    path: Annotated[str, Meta(description="Database file; relative paths start at general.data_dir.")] = "orbit.db"


class Mongodb(Section, forbid_unknown_fields=True, frozen=True):
    """``mongodb``: MongoDB as the database of keys, prompts and conversations. The section's presence selects it."""

    enabled: Annotated[bool, Meta(description="Use MongoDB instead of SQLite.")] = True
    uri: Annotated[
        str,
        Meta(
            description="Connection string, used instead of host and port; it may contain user, password and database."
        ),
    ] = ""
    host: Annotated[str, Meta(description="Host name of the server.")] = "localhost"
    port: Annotated[Port, Meta(description="Port of the server.")] = 27017
    database: Annotated[str, Meta(description="Database of the collections; if empty, the one in uri, else orbit.")] = (
        ""
    )
    username: Annotated[str, Meta(description="User name; empty if the server requires none or uri contains it.")] = ""
    password: Annotated[str, Meta(description="Password of the user; preferably ${NAME} from .env.")] = ""
    apikey_collection: Annotated[str, Meta(min_length=1, description="Collection of API keys.")] = "api_keys"
    prompts_collection: Annotated[
        str,
        Meta(min_length=1, description="Collection of system prompts; earlier versions are in a second one beside it."),
    ] = "system_prompts"


class Auth(Section, forbid_unknown_fields=True, frozen=True):
    """``auth``: the check of API keys."""

    cache_seconds: Annotated[
        float, Meta(ge=0, description="Seconds for which a valid key is trusted without another database query.")
    ] = 10.0
    cache_size: Annotated[Count, Meta(description="Most keys in the cache.")] = 10_000
    admin_session_hours: Annotated[
        float, Meta(gt=0, description="Hours until the operator's page asks for the admin token again.")
    ] = 8.0


class SessionsSettings(Section, forbid_unknown_fields=True, frozen=True):
    """``sessions``: the memory of conversations, for chat turns with a `session_id`."""

    enabled: Annotated[
        bool, Meta(description="Keep conversations. If false, the next start deletes the stored ones.")
    ] = True
    ttl: Annotated[Seconds, Meta(description="Seconds that a turn is kept.")] = 86_400.0
    max_turns: Annotated[Count, Meta(description="Most recent turns kept per session.")] = 20
    max_chars: Annotated[
        Count,
        Meta(description="Characters of earlier turns given to the model with a question, as far as they fit."),
    ] = 8_000


class Logging(Section, forbid_unknown_fields=True, frozen=True):
    """``logging``: the server log, and the chat log under ``file``."""

    level: Annotated[LogLevel, Meta(description="Lowest severity that is logged.")] = "INFO"
    format: Annotated[Literal["text", "json"], Meta(description="Format of the server log.")] = "text"
    console: Annotated[bool, Meta(description="Write the server log to standard error.")] = True
    server_file: Annotated[
        str,
        Meta(
            description="File that also receives the server log, under `general.data_dir` unless absolute; rotate it "
            "with logrotate."
        ),
    ] = ""
    access: Annotated[bool, Meta(description="Log one line per HTTP request, without keys.")] = False
    file: Annotated[dict[str, Any], Meta(description="The chat log: settings of the provider `files`.")] = {}


class HealthSettings(Section, forbid_unknown_fields=True, frozen=True):
    """``health``: the report at ``/health``."""

    details: Annotated[
        Literal["key", "open"],
        Meta(description="Who sees the state of each component: holders of a key or the admin token, or everyone."),
    ] = "key"


class MetricsSettings(Section, forbid_unknown_fields=True, frozen=True):
    """``metrics``: metrics for Prometheus at ``/metrics``."""

    enabled: Annotated[bool, Meta(description="Collect metrics and serve /metrics.")] = True
    access: Annotated[
        Literal["admin", "loopback", "open"],
        Meta(description="Who may read them: holders of the admin token, this machine, or everyone."),
    ] = "admin"


class Cors(Section, forbid_unknown_fields=True, frozen=True):
    """``cors``: web pages of other origins that may call the server from a browser."""

    allow_origins: Annotated[
        tuple[str, ...], Meta(description="Origins such as https://chat.example.org; '*' for all. Empty: none.")
    ] = ()
    allow_methods: Annotated[tuple[str, ...], Meta(description="Methods that their scripts may use.")] = (
        "GET",
        "POST",
        "DELETE",
    )
    allow_headers: Annotated[tuple[str, ...], Meta(description="Headers that their scripts may send.")] = (
        "Authorization",
        "Content-Type",
        "X-API-Key",
        "X-Request-ID",
    )
    max_age: Annotated[int, Meta(ge=0, description="Seconds that a browser may cache this.")] = 600


class Pages(Section, forbid_unknown_fields=True, frozen=True):
    """``pages``: the chat page at ``/`` and the operator's page at ``/admin/``."""

    enabled: Annotated[bool, Meta(description="Serve the pages.")] = True
    title: Annotated[str, Meta(min_length=1, description="Title of the chat page.")] = "ORBIT"
    greeting: Annotated[str, Meta(description="Text of an empty conversation.")] = "What would you like to know?"
    questions: Annotated[tuple[str, ...], Meta(description="Questions that an empty conversation suggests.")] = ()
    embed_origins: Annotated[
        tuple[str, ...],
        Meta(description="Origins such as https://www.example.org whose pages may embed the chat page. Empty: none."),
    ] = ()


class HostConfig(Section, forbid_unknown_fields=True, frozen=True):
    """All sections of the host."""

    general: General = General()
    models: ModelsSettings = ModelsSettings()
    limits: Limits = Limits()
    timeouts: Timeouts = Timeouts()
    retrieval: RetrievalSettings = RetrievalSettings()
    messages: Messages = Messages()
    tools: ToolsSettings = ToolsSettings()
    answers: Answers = Answers()
    ingest: Ingest = Ingest()
    sync: SyncSettings = SyncSettings()
    documents: Documents = Documents()
    sqlite: Sqlite = Sqlite()
    mongodb: Mongodb = Mongodb(enabled=False)
    auth: Auth = Auth()
    sessions: SessionsSettings = SessionsSettings()
    logging: Logging = Logging()
    metrics: MetricsSettings = MetricsSettings()
    health: HealthSettings = HealthSettings()
    cors: Cors = Cors()
    pages: Pages = Pages()


class ProviderSection(msgspec.Struct, frozen=True):
    """One provider instance as configured. The plugin's own Struct validates ``settings``."""

    name: str
    plugin: str
    path: str
    settings: dict[str, Any]
    required: bool | None = None

    @property
    def made_of(self) -> tuple[str, dict[str, Any]]:
        """The plugin and its settings. While they are the same, a reload keeps the instance."""
        return self.plugin, self.settings


class Config(msgspec.Struct, frozen=True):
    """A whole configuration: its source, the host's sections, and the provider instances in file order."""

    source: str
    host: HostConfig
    providers: tuple[ProviderSection, ...]
    given: frozenset[str] = frozenset()
    """The host's settings in the file, such as ``retrieval.limit``. All others have their defaults."""
    switched_off: frozenset[str] = frozenset()
    """Provider sections with ``enabled: false``."""
    notices: tuple[str, ...] = ()
    """Sentences about settings under earlier names that were translated."""
    warning: str = ""
    """The sentence about earlier settings without a counterpart; empty if there are none."""

    @property
    def data_dir(self) -> Path:
        """The folder for data that must survive a restart. It may not exist yet."""
        return Path(self.host.general.data_dir).expanduser()

    @property
    def sqlite_path(self) -> Path:
        """The file of the embedded database."""
        return self.data_dir / Path(self.host.sqlite.path).expanduser()
