"""The keys of an ``anthropic:`` section."""

from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, field

from orbit import Capability
from orbit.upstreams import Seconds, ServerSettings

Effort = Literal["low", "medium", "high", "xhigh"]


class AnthropicSettings(ServerSettings, frozen=True):
    """Servers and their model, and options of requests. ``None`` leaves the choice to the server."""

    ROUTES: ClassVar = "(/v1)*(/messages|/models|/complete|/chat/completions|/responses)?(/count_tokens)?"

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
    template_opens_thoughts: Annotated[
        bool | None,
        Meta(
            description="Whether answers begin inside the thoughts, with only a closing tag, as a server without a "
            "parser for its model's thoughts sends them; null detects it."
        ),
    ] = None
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
    ] = field(default_factory=dict)
    silence_timeout: Annotated[
        Seconds, Meta(description="Seconds of silence, before or within an answer, after which ORBIT gives up.")
    ] = 120.0
