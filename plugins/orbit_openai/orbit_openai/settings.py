"""The keys of an ``openai:`` section."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from orbit.upstreams import Address

Seconds = Annotated[float, Meta(gt=0)]
Dialect = Literal["openai", "vllm", "llama.cpp"]
ROUTES = "/(chat/completions|completions|embeddings|models|responses)"
"""What people copy from documentation beyond the base of the address."""


class OpenAISettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where the models are and how they are asked. ``None`` leaves the choice to the server."""

    base_url: Annotated[
        str | tuple[str, ...],
        Meta(
            description="URL of the server up to and with /v1, or a list of several that share the load. A user, a "
            "password (http://USER:PASSWORD@HOST/v1) and a query (?api-version=1) are sent with every request."
        ),
    ] = "http://localhost:8000/v1"
    api_key: Annotated[str, Meta(description="Key for the server, if it wants one; best given as ${NAME}.")] = ""
    model: Annotated[str, Meta(description="Model that answers, as the server's /v1/models names it.")] = ""
    embed_model: Annotated[str, Meta(description="Model that embeds.")] = ""
    temperature: Annotated[
        Annotated[float, Meta(ge=0)] | None, Meta(description="Randomness of the answer; 0 is the most likely one.")
    ] = None
    top_p: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None, Meta(description="Sample from the likeliest tokens of this total.")
    ] = None
    max_tokens: Annotated[Annotated[int, Meta(ge=1)] | None, Meta(description="Longest answer, in tokens.")] = None
    max_tokens_field: Annotated[
        Literal["max_tokens", "max_completion_tokens"],
        Meta(description="What the server calls it; OpenAI's newer models know only max_completion_tokens."),
    ] = "max_tokens"
    think: Annotated[
        bool | Literal["minimal", "low", "medium", "high"] | None,
        Meta(description="Whether (or how much) a thinking model thinks; the thoughts are never part of the answer."),
    ] = None
    template_opens_thoughts: Annotated[
        bool | None,
        Meta(description="Whether answers begin inside the thoughts, with a closing tag alone; null finds out."),
    ] = None
    context_window: Annotated[
        Annotated[int, Meta(ge=128)] | None,
        Meta(description="Context of the model, in tokens; by default what the server tells of it, if it does."),
    ] = None
    dialect: Annotated[
        Literal["auto", Dialect],
        Meta(description="Whose sampling options may be sent besides OpenAI's own; auto asks the server who it is."),
    ] = "auto"
    extra_body: Annotated[
        dict[str, Any],
        Meta(description="Further fields of every chat request, such as chat_template_kwargs; null removes a field."),
    ] = {}
    extra_embed_body: Annotated[
        dict[str, Any], Meta(description="Further fields of every request for embeddings; null removes a field.")
    ] = {}
    dimensions: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="Length of a vector, for models that can shorten theirs.")
    ] = None
    query_prefix: Annotated[
        str, Meta(description="Put before questions to embed, if the model was trained so, such as 'query: '.")
    ] = ""
    document_prefix: Annotated[
        str, Meta(description="Put before passages to embed, if the model was trained so, such as 'passage: '.")
    ] = ""
    embed_batch_size: Annotated[int, Meta(ge=1, le=2048, description="Texts embedded in one request.")] = 64
    headers: Annotated[dict[str, str], Meta(description="Extra request headers.")] = {}
    proxy: Annotated[
        str, Meta(description="URL of an HTTP proxy on the way to the server; empty for none. HTTP_PROXY is not read.")
    ] = ""
    ca_certs: Annotated[
        str, Meta(description="PEM file of the authorities to trust instead of the system's, for https.")
    ] = ""
    verify_certs: Annotated[bool, Meta(description="Check the server's certificate.")] = True
    connect_timeout: Annotated[Seconds, Meta(description="Seconds to connect.")] = 5.0
    silence_timeout: Annotated[
        Seconds, Meta(description="Seconds of silence, before the answer or within it, after which it is given up.")
    ] = 120.0
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
    require_server: Annotated[
        bool, Meta(description="Refuse to start without a server that has the models; false only warns.")
    ] = True

    @property
    def given(self) -> tuple[str, ...]:
        """What base_url names, as it is written."""
        return (self.base_url,) if isinstance(self.base_url, str) else self.base_url

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Every server, without duplicates, and without a route at the end, which is added to each request."""
        return tuple(dict.fromkeys(Address.parse(url, strip=ROUTES) for url in self.given))
