"""A loaded model: vocabulary, template and limits."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

import llama_cpp as lib

from orbit import ThinkingSplitter, text_of_tokens
from orbit_llamacpp.engine.library import NativeError, initialise, native_error
from orbit_llamacpp.memory import memory_total
from orbit_llamacpp.model_file import part_names
from orbit_llamacpp.settings import LlamaCppSettings

_ALL_LAYERS: Final = 0x7FFFFFFF
_MOST_READ: Final = 8
"""By default, a file is read if the memory is this many times its size."""

_AMX: Final = b"AMX_INT8 = 1"
"""Compiled with GCC for Intel's AMX, llama.cpp crashes at the first prompt: the compiler removes the tile configuration
that it loads (ggml-org/llama.cpp, 20824 and 26954). Without extra buffer types it does not use AMX.
"""

_UNKNOWN: Final = re.compile(r"unknown model architecture: '([^']*)'")


class Model:
    """The weights and vocabulary of one GGUF file. Close all its contexts before you close it."""

    def __init__(self, path: Path, settings: LlamaCppSettings) -> None:
        """Load the file. Raises NativeError."""
        initialise(settings.verbose)
        params = lib.llama_model_default_params()
        params.n_gpu_layers = _ALL_LAYERS if settings.n_gpu_layers == -1 else settings.n_gpu_layers
        params.main_gpu = settings.main_gpu
        self.notices: list[str] = []
        """Notices for the operator about the settings used for loading."""
        if settings.n_gpu_layers and not lib.llama_supports_gpu_offload():
            self.notices.append(
                "n_gpu_layers has no effect: llama-cpp-python was built without GPU support, or finds no GPU"
            )
        self._split = _tensor_split(settings.tensor_split)
        if self._split is not None:
            params.tensor_split = self._split
        params.load_mode = _load_mode(settings, path)
        params.use_extra_bufts = _AMX not in lib.llama_print_system_info()
        handle = lib.llama_model_load_from_file(str(path).encode(), params)
        if not handle:
            raise _load_error(path)
        self.handle = handle
        self.vocab = lib.llama_model_get_vocab(handle)
        self.vocab_size = lib.llama_vocab_n_tokens(self.vocab)
        self.trained_context = lib.llama_model_n_ctx_train(handle)
        self.bos = lib.llama_vocab_bos(self.vocab)
        self.eos = lib.llama_vocab_eos(self.vocab)
        self.adds_bos = bool(lib.llama_vocab_get_add_bos(self.vocab))
        self._end = frozenset(t for t in range(self.vocab_size) if lib.llama_vocab_is_eog(self.vocab, t))
        self._pieces: dict[int, bytes] = {}
        self._controls = {
            token: text
            for token in range(self.vocab_size)
            if lib.llama_vocab_is_control(self.vocab, token) and (text := self.text(token))
        }
        self._shown: frozenset[int] = frozenset()
        self.show(ThinkingSplitter.marks(self._controls.values()))
        if lib.llama_model_has_encoder(handle) and lib.llama_model_has_decoder(handle):
            self.close()
            raise NativeError(
                f"{path.name} is an encoder-decoder model; ORBIT supports only decoders and embedding models"
            )

    @property
    def embeds(self) -> bool:
        """Whether it is an embedding model: it has no decoder, or specifies how to pool its vectors."""
        pooling = self.metadata(f"{self.metadata('general.architecture')}.pooling_type")
        return not lib.llama_model_has_decoder(self.handle) or pooling not in ("", "0")

    @property
    def can_forget_a_part(self) -> bool:
        """Whether a sequence can be truncated at any position. A recurrent state cannot."""
        return not (lib.llama_model_is_recurrent(self.handle) or lib.llama_model_is_hybrid(self.handle))

    @property
    def slides(self) -> bool:
        """Whether some layers see only the last tokens. llama.cpp then saves only what those layers still see."""
        return int(lib.llama_model_n_swa(self.handle)) > 0

    def metadata(self, key: str) -> str:
        """Return a metadata value as text; empty if it is missing."""
        buffer = ctypes.create_string_buffer(256)
        count = lib.llama_model_meta_val_str(self.handle, key.encode(), buffer, len(buffer))
        return buffer.value.decode("utf-8", "replace") if count >= 0 else ""

    def close(self) -> None:
        """Free the weights."""
        if self.handle:
            lib.llama_model_free(self.handle)
            self.handle = None

    def ends(self, token: int) -> bool:
        """Return whether the model ends its turn with this token."""
        return token in self._end

    def piece(self, token: int) -> bytes:
        """Return the visible bytes of a token: none for control tokens, except the marks of thoughts and calls."""
        piece = self._pieces.get(token)
        if piece is None:
            piece = self._pieces[token] = self._render(token, special=token in self._shown)
        return piece

    def show(self, marks: Collection[str]) -> None:
        """Give these control tokens a visible text."""
        self._shown |= {token for token, text in self._controls.items() if text in marks}

    def text(self, token: int) -> str:
        """Return the text of a token in a template, including control tokens; empty for none (-1)."""
        return "" if token < 0 else self._render(token, special=True).decode("utf-8", "replace")

    def control_texts(self) -> list[str]:
        """Return the texts that would be read as control tokens."""
        return list(self._controls.values())

    def template(self) -> str | None:
        """Return the chat template in the file."""
        raw: bytes | None = lib.llama_model_chat_template(self.handle, None)
        return None if raw is None else raw.decode("utf-8", "replace")

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> list[int]:
        """Tokenize a text. ``add_special`` adds the model's first and last tokens; ``parse_special`` reads controls."""
        raw = text.encode("utf-8", "replace")
        room = len(raw) + 8
        while True:
            buffer = (lib.llama_token * room)()
            count = lib.llama_tokenize(self.vocab, raw, len(raw), buffer, room, add_special, parse_special)
            if count >= 0:
                return buffer[:count]
            room = -count

    def text_of(self, tokens: Sequence[int]) -> str:
        """Return the text of token ids. Raises ProviderError if they are not of this vocabulary."""
        unknown = self.metadata("tokenizer.ggml.unknown_token_id")
        return text_of_tokens(
            tokens,
            self.vocab_size,
            self._detokenize,
            lambda text: self.tokenize(text, add_special=False, parse_special=True),
            around=[token for token in self._controls if str(token) != unknown],
        )

    def _detokenize(self, tokens: Sequence[int]) -> str:
        given = (lib.llama_token * len(tokens))(*tokens)
        room = 8 * len(tokens) + 8
        while True:
            buffer = ctypes.create_string_buffer(room)
            count = lib.llama_detokenize(self.vocab, given, len(tokens), buffer, room, False, True)  # noqa: FBT003 - C functions take no names
            if count >= 0:
                return buffer.raw[:count].decode("utf-8", "replace")
            room = -count

    def _render(self, token: int, *, special: bool) -> bytes:
        room = 64
        while True:
            buffer = ctypes.create_string_buffer(room)
            count = lib.llama_token_to_piece(self.vocab, token, buffer, room, 0, special)
            if count >= 0:
                return buffer.raw[:count]
            room = -count


def _load_error(path: Path) -> NativeError:
    """Return one sentence that says why a file could not be loaded."""
    error = native_error(f"llama.cpp could not load {path.name}")
    if found := _UNKNOWN.search(str(error)):
        return NativeError(
            f"{path.name} has the architecture {found[1]}, which this version of llama.cpp does not support; update "
            "llama-cpp-python, or choose another model"
        )
    return error


def _tensor_split(shares: Sequence[float] | None) -> ctypes.Array[ctypes.c_float] | None:
    """Return one share per device, zero for the rest. The model keeps the array alive while it loads."""
    if shares is None:
        return None
    kind = ctypes.c_float * max(lib.llama_max_devices(), len(shares))
    split: ctypes.Array[ctypes.c_float] = kind(*shares)
    return split


def _load_mode(settings: LlamaCppSettings, path: Path) -> int:
    if maps(settings, path):
        return lib.LLAMA_LOAD_MODE_MMAP_MLOCK if settings.use_mlock else lib.LLAMA_LOAD_MODE_MMAP
    return lib.LLAMA_LOAD_MODE_MLOCK if settings.use_mlock else lib.LLAMA_LOAD_MODE_NONE


def maps(settings: LlamaCppSettings, path: Path) -> bool:
    """Return whether to memory-map the file.

    Weights that were read can be in huge pages, mapped ones cannot: with SmolLM2-135M, a step takes 6 % less for one
    answer and 3 % less for eight. And nothing that happens to the file afterwards can end the process.
    """
    if settings.use_mmap is not None:
        return settings.use_mmap
    size = sum(path.with_name(name).stat().st_size for name in part_names(path.name) or [path.name])
    return settings.n_gpu_layers != 0 or size * _MOST_READ > (memory_total() or 0)
