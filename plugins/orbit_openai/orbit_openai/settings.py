"""The keys of an ``openai:`` section."""

from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, field

from orbit import Capability
from orbit.upstreams import Seconds, ServerSettings

Dialect = Literal["openai", "vllm", "llama.cpp"]


class OpenAISettings(ServerSettings, frozen=True):
    """Servers and their models, and options of requests. ``None`` leaves the choice to the server."""

    ROUTES: ClassVar = "/(chat/completions|completions|embeddings|models|responses)"

    base_url: Annotated[
        str | tuple[str, ...],
        Meta(
            description="URL of the server up to and including /v1, or a list of several to balance the "
            "load. Every request carries its user, password (http://USER:PASSWORD@HOST/v1) and "
            "query (?api-version=1)."
        ),
    ] = "http://localhost:8000/v1"
    api_key: Annotated[str, Meta(description="API key, if the server requires one; preferably ${NAME}.")] = ""
    model: Annotated[str, Meta(description="Model that answers, as named by the server's /v1/models.")] = ""
    embed_model: Annotated[str, Meta(description="Model that embeds.")] = ""
    temperature: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Meta(description="Sampling temperature; 0 always picks the most likely token."),
    ] = None
    top_p: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        Meta(description="Sample from the most likely tokens with this total probability."),
    ] = None
    max_tokens: Annotated[Annotated[int, Meta(ge=1)] | None, Meta(description="Longest answer, in tokens.")] = None
    max_tokens_field: Annotated[
        Literal["max_tokens", "max_completion_tokens"],
        Meta(description="Name of this option on the server; OpenAI's newer models accept only max_completion_tokens."),
    ] = "max_tokens"
    think: Annotated[
        bool | Literal["minimal", "low", "medium", "high"] | None,
        Meta(description="Whether (or how much) a thinking model thinks; thoughts are never part of the answer."),
    ] = None
    template_opens_thoughts: Annotated[
        bool | None,
        Meta(description="Whether answers begin inside the thoughts, with only a closing tag; null detects it."),
    ] = None
    supports: Annotated[
        tuple[Capability, ...] | None,
        Meta(
            description="What the model can do beyond text; null asks the server, and if it does not say, leaves "
            "refusals to it."
        ),
    ] = None
    context_window: Annotated[
        Annotated[int, Meta(ge=128)] | None,
        Meta(description="Context window in tokens; by default the server's own figure, if it gives one."),
    ] = None
    dialect: Annotated[
        Literal["auto", Dialect],
        Meta(description="Server whose sampling options ORBIT may send besides OpenAI's; auto detects it."),
    ] = "auto"
    extra_body: Annotated[
        dict[str, Any],
        Meta(
            description="Additional fields of every chat request, such as chat_template_kwargs; null removes a field."
        ),
    ] = field(default_factory=dict)
    extra_embed_body: Annotated[
        dict[str, Any], Meta(description="Additional fields of every embedding request; null removes a field.")
    ] = field(default_factory=dict)
    dimensions: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="Length of a vector, for models that can shorten theirs.")
    ] = None
    query_prefix: Annotated[
        str, Meta(description="Prefix of questions to embed, if the model was trained with one, such as 'query: '.")
    ] = ""
    document_prefix: Annotated[
        str, Meta(description="Prefix of passages to embed, if the model was trained with one, such as 'passage: '.")
    ] = ""
    embed_batch_size: Annotated[int, Meta(ge=1, le=2048, description="Texts embedded per request.")] = 64
    silence_timeout: Annotated[
        Seconds, Meta(description="Seconds of silence, before or within an answer, after which ORBIT gives up.")
    ] = 120.0
    embed_timeout: Annotated[Seconds, Meta(description="Timeout for one batch of embeddings, in seconds.")] = 60.0
