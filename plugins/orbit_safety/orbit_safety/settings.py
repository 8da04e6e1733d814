"""The keys of a ``safety:`` section."""

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

Mode: TypeAlias = Literal["strict", "fuzzy", "disabled"]


class SafetySettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Who judges, how its answer is read, and what is blocked without asking anybody."""

    mode: Annotated[
        Mode,
        Meta(
            description="How the judge's answer is read: exactly `SAFE: true`, also its variants, or no judge at all."
        ),
    ] = "fuzzy"
    provider: Annotated[
        str, Meta(description="Provider instance that judges; by default the one that answers (inference_provider).")
    ] = ""
    model: Annotated[
        str, Meta(description="Model that judges, if the provider has several; by default the provider's own.")
    ] = ""
    safety_prompt_path: Annotated[
        str, Meta(description="File with instructions for the judge, instead of the built-in ones.")
    ] = ""
    check_output: Annotated[
        bool, Meta(description="Judge answers too; each sentence is then held back until it has passed.")
    ] = False
    refusal_message: Annotated[
        str, Meta(description="Answer to what is refused; by default messages.refusal_response.")
    ] = ""
    max_retries: Annotated[
        int,
        Meta(ge=0, le=10, description="Further attempts when the judge fails, if its provider makes none itself."),
    ] = 3
    retry_delay: Annotated[float, Meta(ge=0, description="Seconds between attempts.")] = 1.0
    request_timeout: Annotated[
        float, Meta(gt=0, description="Seconds for a judgement, all attempts together; below timeouts.moderate.")
    ] = 15.0
    allow_on_timeout: Annotated[
        bool, Meta(description="Let pass what could not be judged in time; otherwise the client gets 503.")
    ] = False
    on_error: Annotated[
        Literal["refuse", "allow"], Meta(description="When the judge fails: answer 503, or let pass.")
    ] = "refuse"
    temperature: Annotated[float, Meta(ge=0, description="Randomness of the judge.")] = 0.0
    top_p: Annotated[
        float, Meta(ge=0, le=1, description="The judge samples from the likeliest tokens of this total.")
    ] = 1.0
    top_k: Annotated[int, Meta(ge=0, description="The judge samples from this many of the likeliest tokens.")] = 1
    num_predict: Annotated[int, Meta(ge=1, description="Longest answer of the judge, in tokens.")] = 20
    repeat_penalty: Annotated[
        Annotated[float, Meta(gt=0)] | None, Meta(description="Repetition penalty of the judge.")
    ] = None
    constrain: Annotated[
        bool, Meta(description="Let the judge write nothing but a verdict, where its provider can enforce that.")
    ] = True
    window_chars: Annotated[
        int,
        Meta(ge=500, description="Longer texts are judged in parts of this many characters, each of which must pass."),
    ] = 6000
    cache_size: Annotated[int, Meta(ge=0, description="Judgements remembered; 0 for none.")] = 1024
    cache_seconds: Annotated[float, Meta(ge=0, description="How long a judgement is remembered.")] = 300.0
    block_terms: Annotated[
        tuple[str, ...], Meta(description="Words and phrases that are refused without asking a model.")
    ] = ()
    block_patterns: Annotated[
        tuple[str, ...], Meta(description="Regular expressions of which any match is refused.")
    ] = ()
    block_file: Annotated[
        str, Meta(description="File of further words and phrases, one a line; /.../ is a pattern, # a comment.")
    ] = ""
    stream: Annotated[bool, Meta(description="Of earlier versions; accepted and without effect.")] = False
