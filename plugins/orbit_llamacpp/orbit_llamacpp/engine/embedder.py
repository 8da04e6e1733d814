"""Embeds many texts in one batch, pooled as the model specifies, with vectors of length one."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import llama_cpp as lib
import numpy as np

from orbit_llamacpp.engine.context import processors
from orbit_llamacpp.engine.library import native_error
from orbit_llamacpp.engine.model import Model
from orbit_llamacpp.settings import LlamaCppSettings

if TYPE_CHECKING:
    from numpy.typing import NDArray

Embedding: TypeAlias = "Generator[None, None, Vectors]"
"""A running embedding, which yields after each batch."""

_SEQUENCES: Final = 16


class Vectors(NamedTuple):
    """Rows in the order of the texts, the number of tokens read, and the indices of texts beyond the window."""

    rows: NDArray[np.float32]
    tokens: int
    split: tuple[int, ...]


class Embedder:
    """A context for embedding only. Not thread-safe."""

    def __init__(self, model: Model, settings: LlamaCppSettings) -> None:
        """Create the context. Raises NativeError."""
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
            raise native_error(
                f"llama.cpp could not allocate room for {self._capacity} tokens; reduce n_ctx or choose a smaller model"
            )
        self.handle = handle
        self._memory = lib.llama_get_memory(handle)
        self._batch = lib.llama_batch_init(self._capacity, 0, 1)

    def close(self) -> None:
        """Free the memory."""
        if self.handle:
            lib.llama_batch_free(self._batch)
            lib.llama_free(self.handle)
            self.handle = None

    def embed(self, texts: Sequence[str], *, special: bool = False) -> Embedding:
        """Return the vectors of all texts. Raises NativeError.

        A text beyond the window is read in parts; its vector is their mean, weighted by length. Yields after each
        batch, so that others can be embedded in between. ``special`` reads the names of special tokens as these.
        """
        parts_of = [self._parts(text, special=special) for text in texts]
        parts = [part for parts in parts_of for part in parts]
        owners = [index for index, own in enumerate(parts_of) for _ in own]
        rows = np.zeros((len(texts), self.dimension), np.float32)
        for batch in self._batches(parts):
            self._decode([parts[index] for index in batch])
            for sequence, index in enumerate(batch):
                pointer = lib.llama_get_embeddings_seq(self.handle, sequence)
                vector = _of_length_one(np.ctypeslib.as_array(pointer, (1, self.dimension)))[0]
                rows[owners[index]] += vector * len(parts[index])
            yield
        split = tuple(index for index, own in enumerate(parts_of) if len(own) > 1)
        return Vectors(_of_length_one(rows), sum(map(len, parts)), split)

    def _parts(self, text: str, *, special: bool) -> list[list[int]]:
        """Return the tokens of a text, in parts of about equal length that fit the window."""
        tokens = self._model.tokenize(text, add_special=True, parse_special=special)
        if not tokens:
            return [self._model.tokenize(" ", add_special=True, parse_special=False)]
        if len(tokens) <= self.window:
            return [tokens]
        plain = self._model.tokenize(text, add_special=False, parse_special=special)
        begin = next((at for at in range(len(tokens)) if tokens[at : at + len(plain)] == plain), 0)
        before, after = tokens[:begin], tokens[begin + len(plain) :]
        count = -(-len(plain) // max(1, self.window - len(before) - len(after)))
        size = -(-len(plain) // count)
        return [[*before, *plain[at : at + size], *after] for at in range(0, len(plain), size)]

    def _batches(self, tokens: list[list[int]]) -> Iterator[list[int]]:
        """Yield indices of texts that share a batch, longest first to waste little room."""
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


def _of_length_one(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: NDArray[np.float32] = np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)
    return unit
