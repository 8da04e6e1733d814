"""Wraps a llama.cpp context: decodes tokens, and keeps, copies and drops sequences.

Every sequence has its own stream of cells, and flash attention is off: so no bit of an answer depends on other answers
in the batch or on the position of its cells in memory. With shared cells or flash attention, the order of summation
changes with the batch, and greedy answers change with it. Only in reads of at most 63 tokens does flash attention keep
answers independent. With SmolLM2-135M on a CPU it then makes a step 6 to 10 % cheaper after 130 tokens and 10 % dearer
after 1,500, and reading 6 % and 60 % dearer: a loss for prompts with passages.

llama.cpp computes a sequence's single token by another path than several of them, with other rounding. So a prompt's
last token is always decoded like those of its answer, and the tokens before it never one by one.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import llama_cpp as lib
import numpy as np

from orbit_llamacpp.engine.library import native_error
from orbit_llamacpp.engine.model import Model
from orbit_llamacpp.settings import LlamaCppSettings

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TO_THE_END: Final = -1
_STOPPED: Final = 2
_NEVER: Final = lib.ggml_abort_callback()


class StoppedError(Exception):
    """Reading was cancelled; nothing of what was being read is kept."""


class Context:
    """One llama.cpp context and its batch. Not thread-safe."""

    def __init__(self, model: Model, settings: LlamaCppSettings, window: int, sequences: int) -> None:
        """Allocate room for ``sequences`` times ``window`` tokens. Raises NativeError."""
        params = lib.llama_context_default_params()
        params.n_ctx = window * sequences
        params.n_seq_max = sequences
        rows = max(settings.n_batch, sequences)  # one token of every answer fits as well
        params.n_batch, params.n_ubatch = rows, settings.n_batch
        params.n_outputs_max = sequences
        params.n_threads = params.n_threads_batch = settings.n_threads or processors()
        params.flash_attn_type = lib.LLAMA_FLASH_ATTN_TYPE_DISABLED
        params.kv_unified = False
        params.swa_full = True  # otherwise a sliding window forgets what a shared prefix needs
        params.no_perf = True
        handle = lib.llama_init_from_model(model.handle, params)
        if not handle:
            raise native_error(
                f"llama.cpp could not allocate room for {sequences} x {window} tokens; reduce n_ctx or parallel, or "
                "choose a smaller model"
            )
        self.handle = handle
        self.capacity = settings.n_batch
        self._vocab_size = model.vocab_size
        self._memory = lib.llama_get_memory(handle)
        self._batch = lib.llama_batch_init(rows, 0, 1)

    def close(self) -> None:
        """Free the memory."""
        if self.handle:
            lib.llama_batch_free(self._batch)
            lib.llama_free(self.handle)
            self.handle = None

    def read(self, sequence: int, tokens: Sequence[int], position: int, stop: Callable[[], bool]) -> None:
        """Read part of a prompt, at most ``capacity`` tokens.

        Calls ``stop`` some hundred times meanwhile. Raises StoppedError once it returns True. Then truncate the
        sequence: to ``position``, or a recurrent one to nothing.
        """
        for i, token in enumerate(tokens):
            self._put(i, sequence, token, position + i, wanted=False)
        callback = lib.ggml_abort_callback(lambda _: stop())  # must live until the call returns
        lib.llama_set_abort_callback(self.handle, callback, None)
        try:
            self._decode(len(tokens))
        finally:
            lib.llama_set_abort_callback(self.handle, _NEVER, None)

    def advance(self, sequences: Sequence[tuple[int, int, int]]) -> None:
        """Decode one (sequence, token, position) each; the outputs can be sampled, in order, from 0 on.

        Give them in the order of their sequences. llama.cpp computes together only sequences whose numbers follow each
        other, and reads all weights again for each further group. Eight answers took 79 ms in order, 109 ms with two of
        them exchanged, 269 ms in reverse; four took 53 ms side by side, and 102 ms with gaps between them.
        """
        for i, (sequence, token, position) in enumerate(sequences):
            self._put(i, sequence, token, position, wanted=True)
        self._decode(len(sequences))

    def logits(self, index: int) -> NDArray[np.float32]:
        """Return the scores of all tokens at an output of the last call. Valid until the next one."""
        return np.ctypeslib.as_array(lib.llama_get_logits_ith(self.handle, index), (self._vocab_size,))

    def truncate(self, sequence: int, length: int) -> None:
        """Forget a sequence from position ``length`` on."""
        if not lib.llama_memory_seq_rm(self._memory, sequence, length, _TO_THE_END):
            raise native_error(f"llama.cpp could not truncate a sequence to {length} tokens")

    def size(self, sequence: int) -> int:
        """Return the number of bytes that ``save`` would return."""
        return int(lib.llama_state_seq_get_size(self.handle, sequence))

    def save(self, sequence: int) -> bytes:
        """Return the state of a sequence."""
        size = self.size(sequence)
        buffer = (ctypes.c_uint8 * size)()
        written = lib.llama_state_seq_get_data(self.handle, buffer, size, sequence)
        return bytes(memoryview(buffer)[:written])

    def restore(self, sequence: int, state: bytes) -> None:
        """Restore a saved state into an empty sequence."""
        buffer = (ctypes.c_uint8 * len(state)).from_buffer_copy(state)
        if not lib.llama_state_seq_set_data(self.handle, buffer, len(state), sequence):
            raise native_error("llama.cpp could not restore a sequence")

    def _put(self, index: int, sequence: int, token: int, position: int, *, wanted: bool) -> None:
        batch = self._batch
        batch.token[index] = token
        batch.pos[index] = position
        batch.n_seq_id[index] = 1
        batch.seq_id[index][0] = sequence
        batch.logits[index] = wanted

    def _decode(self, count: int) -> None:
        self._batch.n_tokens = count
        status = lib.llama_decode(self.handle, self._batch)
        if status == _STOPPED:
            raise StoppedError
        if status != 0:
            raise native_error(f"llama.cpp could not decode (status {status})")


def processors() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
