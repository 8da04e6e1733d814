"""A model's working memory: decode tokens, keep and drop what was read."""

from __future__ import annotations

import os
from collections.abc import Sequence

import llama_cpp as lib

from orbit_llamacpp.engine.library import NativeError, native_error
from orbit_llamacpp.engine.model import Model
from orbit_llamacpp.settings import LlamaCppSettings


class Context:
    """One llama.cpp context and the batch that is fed to it. For one thread only."""

    def __init__(self, model: Model, settings: LlamaCppSettings, cells: int) -> None:
        """``cells`` is the number of tokens that can be remembered. Raises NativeError."""
        params = lib.llama_context_default_params()
        threads = settings.n_threads or len(os.sched_getaffinity(0))
        params.n_ctx = cells
        params.n_batch = params.n_ubatch = settings.n_batch
        params.n_threads = params.n_threads_batch = threads
        params.no_perf = True
        handle = lib.llama_init_from_model(model.handle, params)
        if not handle:
            raise native_error(f"llama.cpp could not make a context of {cells} tokens")
        self.handle = handle
        self.memory = lib.llama_get_memory(handle)
        self.capacity = settings.n_batch
        self._batch = lib.llama_batch_init(settings.n_batch, 0, 1)

    def close(self) -> None:
        """Free the memory."""
        if self.handle:
            lib.llama_batch_free(self._batch)
            lib.llama_free(self.handle)
            self.handle = None

    def read(self, tokens: Sequence[int], position: int, *, want_output: bool) -> None:
        """Decode at most ``capacity`` tokens from ``position`` on; with ``want_output`` the last one can be sampled."""
        batch = self._batch
        for i, token in enumerate(tokens):
            batch.token[i] = token
            batch.pos[i] = position + i
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = 0
            batch.logits[i] = 0
        batch.logits[len(tokens) - 1] = want_output
        batch.n_tokens = len(tokens)
        status = lib.llama_decode(self.handle, batch)
        if status != 0:
            error: NativeError = native_error(f"llama.cpp could not decode (status {status})")
            raise error

    def clear(self) -> None:
        """Forget everything."""
        lib.llama_memory_clear(self.memory, False)  # noqa: FBT003 - C functions take no names
