"""Sampling of the next token: one chain of samplers per request."""

from __future__ import annotations

import secrets
from typing import Final

import llama_cpp as lib

from orbit_llamacpp.engine.context import Context
from orbit_llamacpp.engine.library import NativeError, native_error, silenced
from orbit_llamacpp.engine.model import Model
from orbit_llamacpp.protocol import Sampling

_PENALTY_WINDOW: Final = 64


class GrammarError(NativeError):
    """llama.cpp cannot parse a grammar: its JSON schema is too complex."""


class Sampler:
    """A chain: grammar, penalties, top-k, top-p, min-p, temperature, draw. Close it when the request ends."""

    def __init__(self, model: Model, wanted: Sampling) -> None:
        """Build the chain. Raises GrammarError."""
        self._chain: lib.llama_sampler_p | None = None
        greedy = wanted.temperature <= 0
        penalties = (wanted.repeat_penalty, wanted.frequency_penalty, wanted.presence_penalty)
        penalized = penalties != (1.0, 0.0, 0.0)
        if greedy and not wanted.grammar and not penalized:
            return  # greedy: the largest logit needs no chain
        params = lib.llama_sampler_chain_default_params()
        params.no_perf = True
        self._chain = lib.llama_sampler_chain_init(params)
        if wanted.grammar:
            with silenced():
                grammar = lib.llama_sampler_init_grammar(model.vocab, wanted.grammar.encode(), b"root")
            if not grammar:
                self.close()
                raise GrammarError(
                    str(native_error("the JSON schema results in a grammar that llama.cpp cannot parse"))
                )
            self._add(grammar)
        if penalized:
            self._add(lib.llama_sampler_init_penalties(model.vocab_size, _PENALTY_WINDOW, *penalties))
        if greedy:
            self._add(lib.llama_sampler_init_greedy())
            return
        self._add(lib.llama_sampler_init_top_k(wanted.top_k))
        self._add(lib.llama_sampler_init_top_p(wanted.top_p, 1))
        self._add(lib.llama_sampler_init_min_p(wanted.min_p, 1))
        self._add(lib.llama_sampler_init_temp(wanted.temperature))
        seed = secrets.randbits(32) if wanted.seed is None else wanted.seed
        self._add(lib.llama_sampler_init_dist(seed))

    def sample(self, context: Context, index: int) -> int:
        """Sample from an output of the last decode, and record the token."""
        if self._chain is None:
            return int(context.logits(index).argmax())
        return int(lib.llama_sampler_sample(self._chain, context.handle, index))

    def accept(self, token: int) -> None:
        """Record a token that was not sampled."""
        if self._chain is not None:
            lib.llama_sampler_accept(self._chain, token)

    def close(self) -> None:
        """Free the chain."""
        if self._chain:
            lib.llama_sampler_free(self._chain)
            self._chain = None

    def _add(self, sampler: lib.llama_sampler_p) -> None:
        lib.llama_sampler_chain_add(self._chain, sampler)
