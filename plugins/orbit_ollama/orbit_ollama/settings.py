"""The keys of an ``ollama:`` section."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Seconds = Annotated[float, Meta(gt=0)]
Probability = Annotated[float, Meta(ge=0, le=1)]


class OllamaSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where the models are and how they are asked. ``None`` leaves the choice to the server."""

    base_url: Annotated[
        str | tuple[str, ...], Meta(description="URL of the Ollama server, or a list of several that share the load.")
    ] = "http://localhost:11434"
    model: Annotated[str, Meta(description="Model that answers, as `ollama list` names it.")] = ""
    embed_model: Annotated[str, Meta(description="Model that embeds, such as nomic-embed-text.")] = ""
    default_system_prompt: Annotated[
        str, Meta(description="System prompt for conversations that bring none of their own.")
    ] = ""
    temperature: Annotated[
        Annotated[float, Meta(ge=0)] | None, Meta(description="Randomness of the answer; 0 is the most likely one.")
    ] = None
    top_p: Annotated[Probability | None, Meta(description="Sample from the likeliest tokens of this total.")] = None
    top_k: Annotated[
        Annotated[int, Meta(ge=0)] | None, Meta(description="Sample from this many of the likeliest tokens.")
    ] = None
    repeat_penalty: Annotated[
        Annotated[float, Meta(gt=0)] | None, Meta(description="Above 1 discourages repetition.")
    ] = None
    num_predict: Annotated[
        Annotated[int, Meta(ge=-2)] | None, Meta(description="Longest answer, in tokens; -1 for no limit.")
    ] = None
    num_ctx: Annotated[
        int,
        Meta(ge=128, description="Context window, in tokens. One value for every call, or Ollama reloads the model."),
    ] = 4096
    num_threads: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="CPU threads that Ollama uses for the model.")
    ] = None
    keep_alive: Annotated[
        str | float | None,
        Meta(description="How long Ollama keeps an idle model loaded: seconds or '10m'; -1 for ever."),
    ] = None
    stream: Annotated[
        bool, Meta(description="Fetch answers piece by piece; false fetches each as a whole, so clients wait longer.")
    ] = True
    think: Annotated[
        bool | Literal["low", "medium", "high"] | None,
        Meta(description="Whether (or how much) a thinking model thinks; the thoughts are never part of the answer."),
    ] = None
    query_prefix: Annotated[
        str | None,
        Meta(description="Put before questions to embed; by default what the embedding model was trained on."),
    ] = None
    document_prefix: Annotated[
        str | None,
        Meta(description="Put before passages to embed; by default what the embedding model was trained on."),
    ] = None
    embed_batch_size: Annotated[int, Meta(ge=1, le=2048, description="Texts embedded in one request.")] = 64
    headers: Annotated[
        dict[str, str], Meta(description="Extra request headers, such as Authorization for a protected server.")
    ] = {}
    connect_timeout: Annotated[Seconds, Meta(description="Seconds to connect.")] = 5.0
    first_token_timeout: Annotated[
        Seconds, Meta(description="Seconds until the answer begins, loading of the model included.")
    ] = 120.0
    stall_timeout: Annotated[Seconds, Meta(description="Seconds of silence within an answer.")] = 60.0
    embed_timeout: Annotated[Seconds, Meta(description="Seconds for one batch of embeddings.")] = 60.0
    start_timeout: Annotated[
        float, Meta(ge=0, description="Seconds to wait at start for a server that does not answer yet.")
    ] = 5.0
    max_retries: Annotated[
        int, Meta(ge=0, le=10, description="Further attempts when a call fails before its first byte.")
    ] = 2
    retry_delay: Annotated[
        float, Meta(ge=0, description="Seconds before the first retry at most; each later one waits twice as long.")
    ] = 0.2
    pull: Annotated[bool, Meta(description="Download missing models at start.")] = False
    require_server: Annotated[
        bool, Meta(description="Refuse to start without a server that has the models; false only warns.")
    ] = True
    max_response_length: Annotated[
        int | None, Meta(description="Of earlier versions; accepted and without effect. Use num_predict.")
    ] = None

    @property
    def urls(self) -> tuple[str, ...]:
        """Every server, without duplicates."""
        urls = (self.base_url,) if isinstance(self.base_url, str) else self.base_url
        return tuple(dict.fromkeys(urls))
