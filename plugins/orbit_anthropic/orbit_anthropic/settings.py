"""The keys of an ``anthropic:`` section."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from orbit import Capability
from orbit.upstreams import Address

Seconds = Annotated[float, Meta(gt=0)]
Effort = Literal["low", "medium", "high", "xhigh"]
ROUTES = "(/v1)?(/messages|/models)?(/count_tokens)?"
"""Routes that people copy from documentation together with the base URL."""


class AnthropicSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Servers and their model, and options of requests. ``None`` leaves the choice to the server."""

    base_url: Annotated[
        str | tuple[str, ...],
        Meta(
            description="URL of the server without /v1, or a list of several to balance the load. Every request "
            "carries its user, password (http://USER:PASSWORD@HOST) and query."
        ),
    ] = "https://api.anthropic.com"
    api_key: Annotated[str, Meta(description="API key, sent as x-api-key; preferably ${NAME}.")] = ""
    model: Annotated[str, Meta(description="Model that answers, as named by the server's /v1/models.")] = ""
    max_tokens: Annotated[
        int, Meta(ge=1, description="Longest answer, in tokens, of requests that choose none; thoughts come on top.")
    ] = 4096
    temperature: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        Meta(description="Sampling temperature; 0 always picks the most likely token. Has no effect on thinking."),
    ] = None
    top_p: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        Meta(description="Sample from the most likely tokens with this total probability."),
    ] = None
    top_k: Annotated[
        Annotated[int, Meta(ge=0)] | None, Meta(description="Sample from this many of the most likely tokens.")
    ] = None
    think: Annotated[
        bool | Effort | None,
        Meta(description="Whether (or how much) the model thinks; thoughts are never part of the answer."),
    ] = None
    thinking: Annotated[
        Literal["auto", "adaptive", "budget"],
        Meta(
            description="Form in which the model takes thinking: adaptive with an effort, or a budget of tokens; auto "
            "asks the server, and corrects itself if it refuses."
        ),
    ] = "auto"
    cache: Annotated[
        bool,
        Meta(description="Have the server cache the prompt, so that the next question of a conversation costs less."),
    ] = False
    supports: Annotated[
        tuple[Capability, ...] | None,
        Meta(
            description="What the model can do beyond text; null asks the server, and if it does not say, leaves "
            "refusals to it."
        ),
    ] = None
    context_window: Annotated[
        Annotated[int, Meta(ge=128)] | None,
        Meta(description="Context window in tokens; by default the server's own figure, or else 200000."),
    ] = None
    version: Annotated[str, Meta(description="Version of the API, sent as anthropic-version.")] = "2023-06-01"
    extra_body: Annotated[
        dict[str, Any], Meta(description="Additional fields of every request; null removes a field.")
    ] = {}
    headers: Annotated[dict[str, str], Meta(description="Additional request headers, such as anthropic-beta.")] = {}
    proxy: Annotated[
        str, Meta(description="URL of an HTTP proxy to the server; empty for none. HTTP_PROXY is ignored.")
    ] = ""
    ca_certs: Annotated[
        str, Meta(description="PEM file of the certificate authorities to trust for https, instead of the system's.")
    ] = ""
    verify_certs: Annotated[bool, Meta(description="Verify the server's certificate.")] = True
    connect_timeout: Annotated[Seconds, Meta(description="Timeout for connecting, in seconds.")] = 5.0
    silence_timeout: Annotated[
        Seconds, Meta(description="Seconds of silence, before or within an answer, after which ORBIT gives up.")
    ] = 120.0
    start_timeout: Annotated[
        float, Meta(ge=0, description="Seconds to wait at the start for a server that does not respond yet.")
    ] = 5.0
    max_retries: Annotated[int, Meta(ge=0, le=10, description="Retries when a call fails before its first byte.")] = 2
    retry_delay: Annotated[
        float,
        Meta(ge=0, description="Longest pause before the first retry, in seconds; it doubles with each further one."),
    ] = 0.2
    require_server: Annotated[
        bool, Meta(description="Do not start without a server that has the model; false only logs a warning.")
    ] = True

    @property
    def given(self) -> tuple[str, ...]:
        """The servers in base_url, as written."""
        return (self.base_url,) if isinstance(self.base_url, str) else self.base_url

    @property
    def addresses(self) -> tuple[Address, ...]:
        """All servers, without duplicates and without a route at the end, which each request appends."""
        return tuple(dict.fromkeys(Address.parse(url, strip=ROUTES) for url in self.given))
