"""The keys of a ``safety:`` section."""

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

Mode: TypeAlias = Literal["strict", "fuzzy", "disabled"]


class SafetySettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The judge, the reading of its answers, and the block lists."""

    mode: Annotated[
        Mode,
        Meta(
            description=(
                "How to read the judge's answer: exactly `SAFE: true`, or also variants of it; or no judge at all."
            )
        ),
    ] = "fuzzy"
    provider: Annotated[
        str,
        Meta(
            description="Model or provider instance that judges; by default the one that answers (inference_provider)."
        ),
    ] = ""
    model: Annotated[
        str, Meta(description="Model that judges, if the provider has several; by default the provider's own.")
    ] = ""
    safety_prompt_path: Annotated[
        str, Meta(description="File with instructions for the judge, instead of the built-in ones.")
    ] = ""
    check_output: Annotated[
        bool, Meta(description="Judge answers too. Each sentence is held back until it has passed.")
    ] = False
    refusal_message: Annotated[
        str, Meta(description="Reply to refused messages; by default messages.refusal_response.")
    ] = ""
    max_retries: Annotated[
        int,
        Meta(ge=0, le=10, description="Retries when the judge fails, if its provider does not retry itself."),
    ] = 3
    retry_delay: Annotated[float, Meta(ge=0, description="Seconds between attempts.")] = 1.0
    request_timeout: Annotated[
        float,
        Meta(
            gt=0,
            description="Seconds for a verdict, including retries; set it below timeouts.moderate.",
            extra={"within": "timeouts.moderate"},
        ),
    ] = 15.0
    allow_on_timeout: Annotated[
        bool, Meta(description="Let messages pass if there is no verdict in time; otherwise the client gets 503.")
    ] = False
    on_error: Annotated[
        Literal["refuse", "allow"], Meta(description="When the judge fails: answer 503, or let the message pass.")
    ] = "refuse"
    temperature: Annotated[float, Meta(ge=0, description="Sampling temperature of the judge.")] = 0.0
    top_p: Annotated[
        float,
        Meta(ge=0, le=1, description="The judge samples from the most likely tokens with this total probability."),
    ] = 1.0
    top_k: Annotated[int, Meta(ge=0, description="The judge samples from this many of the most likely tokens.")] = 1
    num_predict: Annotated[int, Meta(ge=1, description="Longest answer of the judge, in tokens.")] = 20
    repeat_penalty: Annotated[
        Annotated[float, Meta(gt=0)] | None, Meta(description="Repetition penalty of the judge.")
    ] = None
    constrain: Annotated[bool, Meta(description="Constrain the judge's output to a verdict, if its provider can.")] = (
        True
    )
    window_chars: Annotated[
        int,
        Meta(ge=500, description="Longer texts are judged in parts of this many characters, each of which must pass."),
    ] = 6000
    cache_size: Annotated[int, Meta(ge=0, description="Verdicts in the cache; 0 for none.")] = 1024
    cache_seconds: Annotated[float, Meta(ge=0, description="Seconds that a verdict stays in the cache.")] = 300.0
    block_terms: Annotated[
        tuple[str, ...], Meta(description="Words and phrases that are refused without a model.")
    ] = ()
    block_patterns: Annotated[tuple[str, ...], Meta(description="Regular expressions; any match is refused.")] = ()
    block_file: Annotated[
        str, Meta(description="File of additional words and phrases, one per line; /.../ is a pattern, # a comment.")
    ] = ""
    stream: Annotated[bool, Meta(description="From earlier versions: accepted without effect.")] = False
