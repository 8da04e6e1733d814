"""The keys of an ``ollama:`` section."""

import math
import re
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from orbit.upstreams import Address

Seconds = Annotated[float, Meta(gt=0)]
Probability = Annotated[float, Meta(ge=0, le=1)]

ROUTES: Final = "/(api|v1)(/(chat|generate|embed|embeddings|tags|version|chat/completions|completions|models))?"
"""What people copy from documentation beyond the base of the address."""
_DURATION: Final = re.compile(r"[-+]?((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+|0", re.ASCII)
"""How Go, which Ollama is written in, writes a length of time."""


class OllamaSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where the models are and how they are asked. ``None`` leaves the choice to the server."""

    base_url: Annotated[
        str | tuple[str, ...],
        Meta(
            description="URL of the Ollama server, or a list of several that share the load. A user, a password "
            "(http://USER:PASSWORD@HOST) and a query are sent with every request."
        ),
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
        Annotated[int, Meta(ge=-2)] | None,
        Meta(description="Longest answer, in tokens; -1 for no limit, null for num_ctx."),
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
    template_opens_thoughts: Annotated[
        bool | None,
        Meta(description="Whether answers begin inside the thoughts, with a closing tag alone; null finds out."),
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
    proxy: Annotated[
        str, Meta(description="URL of an HTTP proxy on the way to the server; empty for none. HTTP_PROXY is not read.")
    ] = ""
    ca_certs: Annotated[
        str, Meta(description="PEM file of the authorities to trust instead of the system's, for https.")
    ] = ""
    verify_certs: Annotated[bool, Meta(description="Check the server's certificate.")] = True
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
    def given(self) -> tuple[str, ...]:
        """What base_url names, as it is written."""
        return (self.base_url,) if isinstance(self.base_url, str) else self.base_url

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Every server, without duplicates, and without /api or /v1 at the end, which is added to each request."""
        return tuple(dict.fromkeys(Address.parse(url, strip=ROUTES) for url in self.given))

    @property
    def kept_alive(self) -> str | float | None:
        """``keep_alive`` as Ollama takes it: a number is no text, and an empty text is nothing."""
        value = self.keep_alive.strip() if isinstance(self.keep_alive, str) else self.keep_alive
        if value is None or value == "":
            return None
        try:
            seconds = float(value)
        except ValueError:
            return value
        if not math.isfinite(seconds):
            return value
        return int(seconds) if seconds.is_integer() else seconds

    def keep_alive_problem(self) -> str:
        """Return why Ollama would refuse ``keep_alive``; empty if it would not."""
        value = self.kept_alive
        if not isinstance(value, str) or _DURATION.fullmatch(value):
            return ""
        return f"keep_alive '{value}' is no time: give seconds (300), a text with a unit ('10m', '1h30m'), or -1."
