"""Unsupported parameters of a completion: refused if they would change the answer, never silently dropped."""

from __future__ import annotations

from typing import Any, Final

from orbit.web.wires import checks

_BESIDE: Final = frozenset(
    {
        *("user", "metadata", "store", "service_tier", "safety_identifier"),
        *("prompt_cache_key", "prompt_cache_retention", "prompt_cache_options", "stream_options", "priority"),
        *("request_id", "cache_salt", "cache_prompt", "id_slot", "keep_alive", "include_stop_str_in_output"),
        *("skip_special_tokens", "spaces_between_special_tokens", "add_generation_prompt"),
        *("background_options", "max_tool_calls", "access_programs"),
        *("timings_per_token", "return_progress", "return_token_ids", "chat_id", "session_id", "id"),
    }
)
"""They do not change the answer: they say whose request it is, or how to count, cache or list it."""

_FALSE: Final = (False,)
NEUTRAL: Final[dict[str, tuple[Any, ...]]] = {
    # of OpenAI's API
    "n": (1,),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "logit_bias": ({},),
    "modalities": (["text"],),
    "audio": (),
    "background": _FALSE,
    "context_management": ([],),
    "conversation": (),
    "moderation": (),
    "prediction": (),
    "prompt": (),
    "thinking": (),
    "verbosity": ("medium",),
    "web_search_options": (),
    # of OpenAI's API for another kind of request; ``known`` has those of this one
    "instructions": ("",),
    "max_completion_tokens": (),
    "max_output_tokens": (),
    "max_tokens": (),
    "previous_response_id": (),
    "reasoning": ({},),
    "reasoning_effort": (),
    "response_format": ({"type": "text"},),
    "text": ({"format": {"type": "text"}},),
    "tool_choice": ("none", "auto"),
    "tools": ([],),
    # of other servers of that API
    "allowed_token_ids": ([],),
    "bad_words": ([],),
    "best_of": (1,),
    "chat_template": (),
    "chat_template_kwargs": ({},),
    "context": ([],),
    "documents": ([],),
    "dry_multiplier": (0,),
    "dynatemp_range": (0,),
    "ebnf": ("",),
    "echo": _FALSE,
    "enable_thinking": (),
    "format": ("",),
    "grammar": ("",),
    "guided_choice": ([],),
    "guided_decoding_backend": (),
    "guided_grammar": ("",),
    "guided_json": (),
    "guided_regex": ("",),
    "ignore_eos": _FALSE,
    "json_schema": (),
    "length_penalty": (1,),
    "logits_processors": ([],),
    "lora": ([],),
    "lora_path": (),
    "max_length": (),
    "max_new_tokens": (),
    "min_new_tokens": (0,),
    "min_tokens": (0,),
    "mirostat": (0,),
    "models": ([],),
    "n_cmpl": (1,),
    "n_keep": (0,),
    "n_predict": (-1,),
    "n_probs": (0,),
    "no_repeat_ngram_size": (0,),
    "num_beams": (1,),
    "num_ctx": (),
    "num_keep": (0,),
    "num_predict": (-1,),
    "options": ({},),
    "plugins": ([],),
    "prompt_embeds": (),
    "prompt_logprobs": (0,),
    "provider": (),
    "random_seed": (),
    "raw": _FALSE,
    "reasoning_budget": (-1,),
    "regex": ("",),
    "repeat_last_n": (),
    "route": (),
    "safe_prompt": _FALSE,
    "samplers": (),
    "stop_sequences": ([],),
    "stop_token_ids": ([],),
    "structured_outputs": (),
    "suffix": ("",),
    "system": ("",),
    "template": ("",),
    "tfs_z": (1,),
    "think": (),
    "thinking_budget": (),
    "thinking_token_budget": (),
    "top_a": (0,),
    "top_n_sigma": (-1,),
    "transforms": ([],),
    "truncate_prompt_tokens": (),
    "typical_p": (1,),
    "use_beam_search": _FALSE,
    "xtc_probability": (0,),
}
"""They would change the answer, so they are refused unless null or neutral. Name -> neutral values."""

_BESIDE_CHATS: Final = frozenset({"user", "priority", "request_id", "cache_salt", "keep_alive", "metadata"})
EMBEDDING: Final[dict[str, tuple[Any, ...]]] = {
    "add_special_tokens": (True,),
    "embd_normalize": (2,),
    "embedding": (),
    "embedding_type": ("float",),
    "embedding_types": (["float"],),
    "images": ([],),
    "inputs": ([],),
    "input_type": ("", "document", "passage", "search_document"),
    "instruction": ("",),
    "late_chunking": _FALSE,
    "messages": ([],),
    "normalize": (True,),
    "normalized": (True,),
    "options": ({},),
    "output_dimension": (),
    "output_dimensionality": (),
    "output_dtype": ("float",),
    "pooling": (),
    "prompt": ("",),
    "prompt_name": (),
    "return_multivector": _FALSE,
    "task": ("retrieval.passage",),
    "task_type": ("RETRIEVAL_DOCUMENT",),
    "texts": ([],),
    "title": ("",),
    "truncate": (False, "NONE", "none"),
    "truncate_prompt_tokens": (),
    "truncation": _FALSE,
}
"""Fields of other servers for embeddings that would change the vectors. Name -> neutral values."""
RANKING: Final[dict[str, tuple[Any, ...]]] = {
    "activation": (True,),
    "chat_template_kwargs": ({},),
    "instruction": ("",),
    "max_chunks_per_doc": (),
    "max_tokens_per_doc": (),
    "rank_fields": (["text"],),
    "raw_scores": _FALSE,
    "return_embeddings": _FALSE,
    "score_threshold": (0,),
    "texts": ([],),
    "truncate": (False, "NONE", "none"),
    "truncate_prompt_tokens": (),
    "truncation": _FALSE,
    "use_activation": (True,),
}
"""The same for ranking documents."""


def check_non_chat(body: bytes, known: frozenset[str], neutral: dict[str, tuple[Any, ...]]) -> None:
    """Raise ParameterError for a parameter that would change vectors or a ranking."""
    checks.check_parameters(body, known, frozenset(), beside=_BESIDE_CHATS, neutral=neutral)


def check_parameters(
    body: bytes, known: frozenset[str], passed: frozenset[str] = frozenset()
) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Check the parameters of a completion that are not ``known``. See ``checks.check_parameters``."""
    return checks.check_parameters(body, known, passed, beside=_BESIDE, neutral=NEUTRAL)
