"""The host's own configuration sections, each a typed Struct. Every other top-level section belongs to a plugin."""

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Seconds = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]
Port = Annotated[int, Meta(ge=0, le=65535)]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


class Section(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Base of all sections: unknown keys are mistakes."""


class Https(Section, forbid_unknown_fields=True, frozen=True):
    """``general.https``: TLS of the server itself."""

    enabled: Annotated[bool, Meta(description="Serve HTTPS.")] = False
    port: Annotated[Port, Meta(description="Port for HTTPS.")] = 3443
    cert_file: Annotated[str, Meta(description="PEM file with the certificate chain.")] = ""
    key_file: Annotated[str, Meta(description="PEM file with the private key.")] = ""
    redirect_http: Annotated[
        bool, Meta(description="Send whoever comes by HTTP to HTTPS, certificate challenges excepted.")
    ] = False
    hsts_seconds: Annotated[
        int,
        Meta(ge=0, description="How long browsers shall insist on HTTPS (`Strict-Transport-Security`); 0: not told."),
    ] = 0
    acme_folder: Annotated[
        str, Meta(description="Folder whose files are served under /.well-known/acme-challenge/; empty for none.")
    ] = ""


class General(Section, forbid_unknown_fields=True, frozen=True):
    """``general``: the server and which provider serves which stage."""

    host: Annotated[str, Meta(description="Address to listen on; 0.0.0.0 for every interface.")] = "127.0.0.1"
    port: Annotated[Port, Meta(description="Port for HTTP.")] = 3000
    verbose: Annotated[bool, Meta(description="Log at DEBUG level.")] = False
    https: Annotated[Https, Meta(description="TLS of the server itself.")] = Https()
    trusted_proxies: Annotated[
        tuple[str, ...],
        Meta(description="Addresses or networks of reverse proxies whose X-Forwarded-For and -Proto are believed."),
    ] = ()
    data_dir: Annotated[str, Meta(description="Folder for what must survive a restart.")] = "data"
    inference_provider: Annotated[
        str, Meta(description="Provider instance that generates; needed when several can.")
    ] = ""
    embedding_provider: Annotated[str, Meta(description="Provider instance that embeds; needed when several can.")] = ""
    store_provider: Annotated[
        str, Meta(description="Provider instance that documents are ingested into; needed when several can.")
    ] = ""
    stream_text: Annotated[
        Literal["delta", "cumulative"],
        Meta(description="Text of a stream frame: what is new, or (for older clients) all so far."),
    ] = "delta"
    default_system_prompt: Annotated[str, Meta(description="System prompt for keys without one of their own.")] = (
        "You are a helpful assistant. Answer briefly and truthfully."
    )


class Limits(Section, forbid_unknown_fields=True, frozen=True):
    """``limits``: what one request, and all of them together, may take."""

    max_body_bytes: Annotated[Count, Meta(description="Largest request body, in bytes; more is refused with 413.")] = (
        1_048_576
    )
    max_message_chars: Annotated[
        Count, Meta(description="Longest message, in characters; more is refused with 413.")
    ] = 32_768
    max_concurrent: Annotated[Count, Meta(description="Chat turns running at the same time, per worker.")] = 64
    max_queued: Annotated[
        int,
        Meta(
            ge=0,
            description="Chat turns waiting for a place. When full, the key with most of them is refused with 503.",
        ),
    ] = 256
    max_answer_tokens: Annotated[
        Count, Meta(description="Room kept free for the answer when documents are fitted to the context, in tokens.")
    ] = 512
    max_answer_chars: Annotated[
        Count, Meta(description="Longest answer, in characters; there it ends, with the finish reason `length`.")
    ] = 200_000


class Timeouts(Section, forbid_unknown_fields=True, frozen=True):
    """``timeouts``: deadlines in seconds."""

    start: Annotated[Seconds, Meta(description="For each provider to start.")] = 300.0
    stop: Annotated[Seconds, Meta(description="For each provider to stop.")] = 10.0
    health: Annotated[Seconds, Meta(description="For each provider to tell its health.")] = 2.0
    embed: Annotated[Seconds, Meta(description="For one call of the embedding provider.")] = 30.0
    retrieve: Annotated[Seconds, Meta(description="For each retriever.")] = 10.0
    index: Annotated[Seconds, Meta(description="For one write to the store.")] = 300.0
    rerank: Annotated[Seconds, Meta(description="For each reranker.")] = 20.0
    moderate: Annotated[Seconds, Meta(description="For each moderator.")] = 20.0
    first_token: Annotated[Seconds, Meta(description="For the model to begin its answer, queueing included.")] = 120.0
    thinking: Annotated[
        Seconds, Meta(description="For the model to think before its answer, once it has begun to.")
    ] = 600.0
    next_token: Annotated[Seconds, Meta(description="For each later piece of the answer.")] = 60.0
    log: Annotated[Seconds, Meta(description="For each log sink to take a record.")] = 10.0
    queue: Annotated[Seconds, Meta(description="For a chat turn to wait for a place.")] = 30.0
    turn: Annotated[Seconds, Meta(description="For a chat turn as a whole, from the request to its end.")] = 600.0
    send: Annotated[
        Seconds, Meta(description="For a client to read on; one that reads nothing for so long is disconnected.")
    ] = 20.0
    drain: Annotated[Seconds, Meta(description="For running answers to end when the server stops.")] = 30.0
    receive: Annotated[Seconds, Meta(description="For a request to arrive whole, headers and body; else 408.")] = 30.0
    ping: Annotated[Seconds, Meta(description="Silence in a stream after which a ping comment is sent.")] = 15.0


class Retrieval(Section, forbid_unknown_fields=True, frozen=True):
    """``retrieval``: what happens around the retrievers."""

    limit: Annotated[Count, Meta(description="Documents asked of each retriever; at least max_documents.")] = 10
    instruction: Annotated[
        str, Meta(description="What is said between the passages and the question in the prompt.")
    ] = "Answer from the passages:"
    max_documents: Annotated[
        Count, Meta(description="Documents given to the model, at most: the best ones, after reranking.")
    ] = 4
    on_error: Annotated[
        Literal["refuse", "answer_without"],
        Meta(description="When a retriever fails: answer 503, or answer without documents and say so."),
    ] = "refuse"
    on_nothing_found: Annotated[
        Literal["answer_without", "respond"],
        Meta(description="When a collection, also a default one, has nothing: answer without, or send the fixed text."),
    ] = "respond"


class Messages(Section, forbid_unknown_fields=True, frozen=True):
    """``messages``: fixed texts that clients see."""

    no_results_response: Annotated[str, Meta(description="Answer when nothing relevant was found.")] = (
        "I could not find anything about that in the documents I have."
    )
    refusal_response: Annotated[str, Meta(description="Answer to a question that moderation refused.")] = (
        "I cannot help with that request."
    )


class Ingest(Section, forbid_unknown_fields=True, frozen=True):
    """``ingest``: how files become passages."""

    chunk_size: Annotated[Count, Meta(description="Longest passage, in characters.")] = 900
    chunk_overlap: Annotated[
        int, Meta(ge=0, description="Characters that neighbouring passages of plain text share.")
    ] = 100
    max_file_bytes: Annotated[Count, Meta(description="Largest file read, in bytes.")] = 50_000_000
    max_upload_bytes: Annotated[
        Count, Meta(description="Largest upload on the operator's page, all its files together, in bytes.")
    ] = 200_000_000
    batch_size: Annotated[Count, Meta(description="Passages embedded and written at once.")] = 128


class Sqlite(Section, forbid_unknown_fields=True, frozen=True):
    """``sqlite``: the embedded store of keys and prompts."""

    path: Annotated[str, Meta(description="Database file; relative paths start at general.data_dir.")] = "orbit.db"


class Mongodb(Section, forbid_unknown_fields=True, frozen=True):
    """``mongodb``: MongoDB as the store of keys and prompts; the section's presence selects it."""

    enabled: Annotated[bool, Meta(description="Keep keys and prompts in MongoDB instead of SQLite.")] = True
    uri: Annotated[
        str,
        Meta(description="Connection string, used instead of host and port; it may have user, password and database."),
    ] = ""
    host: Annotated[str, Meta(description="Host name of the server.")] = "localhost"
    port: Annotated[Port, Meta(description="Port of the server.")] = 27017
    database: Annotated[
        str, Meta(description="Database that holds the collections; if empty, the one that uri names, else orbit.")
    ] = ""
    username: Annotated[str, Meta(description="User name; empty if the server asks for none, or uri has it.")] = ""
    password: Annotated[str, Meta(description="Password of the user; best given as ${NAME} from .env.")] = ""
    apikey_collection: Annotated[str, Meta(min_length=1, description="Collection of API keys.")] = "api_keys"
    prompts_collection: Annotated[
        str, Meta(min_length=1, description="Collection of system prompts; earlier versions are kept beside it.")
    ] = "system_prompts"


class Auth(Section, forbid_unknown_fields=True, frozen=True):
    """``auth``: how API keys are checked."""

    cache_seconds: Annotated[
        float, Meta(ge=0, description="How long a valid key is trusted without asking the store again.")
    ] = 10.0
    cache_size: Annotated[Count, Meta(description="Keys remembered at most.")] = 10_000
    admin_session_hours: Annotated[
        float, Meta(gt=0, description="Hours after which the operator's page asks for the admin token again.")
    ] = 8.0


class Sessions(Section, forbid_unknown_fields=True, frozen=True):
    """``sessions``: the memory of conversations, for chat turns with a `session_id`."""

    enabled: Annotated[
        bool, Meta(description="Keep conversations; if not, those kept before are forgotten at the next start.")
    ] = True
    ttl: Annotated[Seconds, Meta(description="How long a turn is kept, in seconds.")] = 86_400.0
    max_turns: Annotated[Count, Meta(description="Turns kept of each session: the last ones.")] = 20
    max_chars: Annotated[
        Count,
        Meta(description="Characters of earlier turns given to the model with a question, as far as its context goes."),
    ] = 8_000


class Logging(Section, forbid_unknown_fields=True, frozen=True):
    """``logging``: the server's own log, and under ``file`` the chat log."""

    level: Annotated[LogLevel, Meta(description="Least severe level that is logged.")] = "INFO"
    format: Annotated[Literal["text", "json"], Meta(description="Form of a line of the server log.")] = "text"
    console: Annotated[bool, Meta(description="Write the server log to standard error.")] = True
    server_file: Annotated[
        str, Meta(description="File that the server log is appended to as well; rotate it with logrotate.")
    ] = ""
    access: Annotated[bool, Meta(description="Log a line for each HTTP request, without keys.")] = False
    file: Annotated[dict[str, Any], Meta(description="The chat log: settings of the provider `files`.")] = {}


class Metrics(Section, forbid_unknown_fields=True, frozen=True):
    """``metrics``: counts for Prometheus on ``/metrics``."""

    enabled: Annotated[bool, Meta(description="Count, and serve /metrics.")] = True
    access: Annotated[
        Literal["admin", "loopback", "open"],
        Meta(description="Who may read them: the holder of the admin token, this machine, or anyone."),
    ] = "admin"


class Cors(Section, forbid_unknown_fields=True, frozen=True):
    """``cors``: web pages of other origins that may use the server from a browser."""

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
    max_age: Annotated[int, Meta(ge=0, description="Seconds that a browser may remember this for.")] = 600


class Pages(Section, forbid_unknown_fields=True, frozen=True):
    """``pages``: the web pages for people: the chat page at ``/`` and the operator's at ``/admin/``."""

    enabled: Annotated[bool, Meta(description="Serve the pages.")] = True
    title: Annotated[str, Meta(min_length=1, description="Name at the head of the chat page.")] = "ORBIT"
    greeting: Annotated[str, Meta(description="What an empty conversation says.")] = "What would you like to know?"
    questions: Annotated[tuple[str, ...], Meta(description="Questions that an empty conversation offers.")] = ()
    embed_origins: Annotated[
        tuple[str, ...],
        Meta(description="Origins such as https://www.example.org whose pages may embed the chat page. Empty: none."),
    ] = ()


class HostConfig(Section, forbid_unknown_fields=True, frozen=True):
    """All sections of the host."""

    general: General = General()
    limits: Limits = Limits()
    timeouts: Timeouts = Timeouts()
    retrieval: Retrieval = Retrieval()
    messages: Messages = Messages()
    ingest: Ingest = Ingest()
    sqlite: Sqlite = Sqlite()
    mongodb: Mongodb = Mongodb(enabled=False)
    auth: Auth = Auth()
    sessions: Sessions = Sessions()
    logging: Logging = Logging()
    metrics: Metrics = Metrics()
    cors: Cors = Cors()
    pages: Pages = Pages()


class ProviderSection(msgspec.Struct, frozen=True):
    """One provider instance as configured. ``settings`` is what the plugin's own Struct will check."""

    name: str
    plugin: str
    path: str
    settings: dict[str, Any]
    required: bool | None = None


class Config(msgspec.Struct, frozen=True):
    """A whole configuration: where it came from, the host's sections, and the provider instances in file order."""

    source: str
    host: HostConfig
    providers: tuple[ProviderSection, ...]
    given: frozenset[str] = frozenset()
    """The host's settings that the file gives, such as ``retrieval.limit``; all others have their defaults."""
    switched_off: frozenset[str] = frozenset()
    """The provider sections with ``enabled: false``."""

    @property
    def data_dir(self) -> Path:
        """The folder for what must survive a restart; not made yet."""
        return Path(self.host.general.data_dir).expanduser()

    @property
    def sqlite_path(self) -> Path:
        """The file of the embedded store."""
        return self.data_dir / Path(self.host.sqlite.path).expanduser()
