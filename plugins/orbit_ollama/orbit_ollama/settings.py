"""The keys of an ``ollama:`` section."""

import math
import re
from typing import Annotated, ClassVar, Final, Literal

from msgspec import Meta

from orbit import Capability
from orbit.upstreams import Seconds, ServerSettings

Probability = Annotated[float, Meta(ge=0, le=1)]

_DURATION: Final = re.compile(r"[-+]?((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+|0", re.ASCII)
"""A duration in the syntax of Go, the language of Ollama."""


class OllamaSettings(ServerSettings, frozen=True):
    """Servers and their models, and options of requests. ``None`` leaves the choice to the server."""

    ROUTES: ClassVar = "/(api|v1)(/(chat|generate|embed|embeddings|tags|version|chat/completions|completions|models))?"

    base_url: Annotated[
        str | tuple[str, ...],
        Meta(
            description="URL of the Ollama server, or a list of several to balance the load. Every request "
            "carries its user, password (http://USER:PASSWORD@HOST) and query."
        ),
    ] = "http://localhost:11434"
    model: Annotated[str, Meta(description="Model that answers, as named by `ollama list`.")] = ""
    embed_model: Annotated[str, Meta(description="Model that embeds, such as nomic-embed-text.")] = ""
    default_system_prompt: Annotated[str, Meta(description="System prompt for conversations without their own.")] = ""
    temperature: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Meta(description="Sampling temperature; 0 always picks the most likely token."),
    ] = None
    top_p: Annotated[
        Probability | None, Meta(description="Sample from the most likely tokens with this total probability.")
    ] = None
    top_k: Annotated[
        Annotated[int, Meta(ge=0)] | None, Meta(description="Sample from this many of the most likely tokens.")
    ] = None
    repeat_penalty: Annotated[
        Annotated[float, Meta(gt=0)] | None, Meta(description="Above 1 discourages repetition.")
    ] = None
    num_predict: Annotated[
        Annotated[int, Meta(ge=-2)] | None,
        Meta(description="Longest answer in tokens; -1 for no limit, null for num_ctx."),
    ] = None
    num_ctx: Annotated[
        int,
        Meta(
            ge=128,
            description="Context window in tokens. Ollama reloads the model when it changes, so all calls use "
            "this value.",
        ),
    ] = 4096
    num_threads: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="CPU threads that Ollama uses for the model.")
    ] = None
    keep_alive: Annotated[
        str | float | None,
        Meta(description="How long Ollama keeps an idle model in memory: seconds or '10m'; -1 for ever."),
    ] = None
    stream: Annotated[
        bool, Meta(description="Stream answers from the server; false fetches each as a whole, so clients wait longer.")
    ] = True
    think: Annotated[
        bool | Literal["low", "medium", "high"] | None,
        Meta(description="Whether (or how much) a thinking model thinks; thoughts are never part of the answer."),
    ] = None
    supports: Annotated[
        tuple[Capability, ...] | None,
        Meta(description="What the model can do beyond text; null asks the server."),
    ] = None
    template_opens_thoughts: Annotated[
        bool | None,
        Meta(description="Whether answers begin inside the thoughts, with only a closing tag; null detects it."),
    ] = None
    query_prefix: Annotated[
        str | None,
        Meta(description="Prefix of questions to embed; by default the one that the embedding model was trained with."),
    ] = None
    document_prefix: Annotated[
        str | None,
        Meta(description="Prefix of passages to embed; by default the one that the embedding model was trained with."),
    ] = None
    embed_batch_size: Annotated[int, Meta(ge=1, le=2048, description="Texts embedded per request.")] = 64
    first_token_timeout: Annotated[
        Seconds, Meta(description="Seconds until the answer begins, including the time to load the model.")
    ] = 120.0
    stall_timeout: Annotated[Seconds, Meta(description="Seconds of silence within an answer.")] = 60.0
    embed_timeout: Annotated[Seconds, Meta(description="Timeout for one batch of embeddings, in seconds.")] = 60.0
    pull: Annotated[bool, Meta(description="Download missing models at the start.")] = False
    max_response_length: Annotated[
        int | None, Meta(description="From earlier versions: accepted without effect. Use num_predict.")
    ] = None

    @property
    def kept_alive(self) -> str | float | None:
        """``keep_alive`` as Ollama accepts it: numbers as numbers, and an empty text as None."""
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
        """Return why Ollama would reject ``keep_alive``; empty if it would accept it."""
        value = self.kept_alive
        if not isinstance(value, str) or _DURATION.fullmatch(value):
            return ""
        return f"keep_alive '{value}' is not a time: give seconds (300), a text with a unit ('10m', '1h30m'), or -1."
