"""Texts to vectors, many in one batch, pooled as the model says and of length one."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

import llama_cpp as lib
import numpy as np

from orbit_llamacpp.engine.context import processors
from orbit_llamacpp.engine.library import NativeError, native_error
from orbit_llamacpp.engine.model import Model
from orbit_llamacpp.settings import LlamaCppSettings

if TYPE_CHECKING:
    from numpy.typing import NDArray

Embedding: TypeAlias = "Generator[None, None, tuple[NDArray[np.float32], int]]"
"""Texts on their way to vectors, batch by batch."""

_SEQUENCES: Final = 16


class Embedder:
    """A context that only embeds. For one thread only."""

    def __init__(self, model: Model, settings: LlamaCppSettings) -> None:
        """Raises NativeError."""
        self._model = model
        self.window = min(settings.n_ctx or model.trained_context, model.trained_context or settings.n_ctx)
        self.dimension = lib.llama_model_n_embd_out(model.handle)
        self._capacity = max(settings.n_batch, self.window)  # a text is read whole: each token attends to all
        params = lib.llama_context_default_params()
        params.n_ctx = params.n_batch = params.n_ubatch = self._capacity
        params.n_seq_max = _SEQUENCES
        params.kv_unified = True
        params.embeddings = True
        params.n_threads = params.n_threads_batch = settings.n_threads or processors()
        params.no_perf = True
        handle = lib.llama_init_from_model(model.handle, params)
        if not handle:
            raise native_error(f"llama.cpp could not make room for {self._capacity} tokens")
        self.handle = handle
        self._memory = lib.llama_get_memory(handle)
        self._batch = lib.llama_batch_init(self._capacity, 0, 1)

    def close(self) -> None:
        """Free the memory."""
        if self.handle:
            lib.llama_batch_free(self._batch)
            lib.llama_free(self.handle)
            self.handle = None

    def embed(self, texts: Sequence[str]) -> Embedding:
        """The vectors of all texts, rows in order, and how many tokens the texts had. Raises NativeError.

        Yields after each batch: something else may be embedded before it goes on.
        """
        tokens = [self._tokens(text) for text in texts]
        rows = np.empty((len(tokens), self.dimension), np.float32)
        for batch in self._batches(tokens):
            self._decode([tokens[index] for index in batch])
            for sequence, index in enumerate(batch):
                pointer = lib.llama_get_embeddings_seq(self.handle, sequence)
                rows[index] = np.ctypeslib.as_array(pointer, (self.dimension,))
            yield
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        np.divide(rows, norms, out=rows, where=norms > 0)
        return rows, sum(map(len, tokens))

    def _tokens(self, text: str) -> list[int]:
        tokens = self._model.tokenize(text, add_special=True, parse_special=False)
        if len(tokens) > self.window:
            raise NativeError(f"a text has {len(tokens)} tokens, the model reads {self.window}")
        return tokens or self._model.tokenize(" ", add_special=True, parse_special=False)

    def _batches(self, tokens: list[list[int]]) -> Iterator[list[int]]:
        """Indices of texts that go together, longest first so that little room is lost."""
        batch: list[int] = []
        room = self._capacity
        for index in sorted(range(len(tokens)), key=lambda i: len(tokens[i]), reverse=True):
            if batch and (len(tokens[index]) > room or len(batch) == _SEQUENCES):
                yield batch
                batch, room = [], self._capacity
            batch.append(index)
            room -= len(tokens[index])
        if batch:
            yield batch

    def _decode(self, texts: list[list[int]]) -> None:
        if self._memory:
            lib.llama_memory_clear(self._memory, False)  # noqa: FBT003 - C functions take no names
        batch, at = self._batch, 0
        for sequence, text in enumerate(texts):
            for position, token in enumerate(text):
                batch.token[at] = token
                batch.pos[at] = position
                batch.n_seq_id[at] = 1
                batch.seq_id[at][0] = sequence
                batch.logits[at] = 1
                at += 1
        batch.n_tokens = at
        run = lib.llama_decode if self._memory else lib.llama_encode
        if run(self.handle, batch) != 0:
            raise native_error("llama.cpp could not embed")
