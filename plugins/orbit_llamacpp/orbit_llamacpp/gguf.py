"""Reads the metadata of GGUF files without llama.cpp.

The format: a magic, a version, counts, key-value pairs, then one record per tensor; the aligned weights follow. Long
lists (the vocabulary) are skipped.
"""

from __future__ import annotations

import mmap
import re
import struct
from pathlib import Path
from typing import Any, Final

import msgspec

_MAGIC: Final = b"GGUF"
_OTHERS: Final = {
    b"version https://git-lfs": "is a Git LFS pointer, not the file itself; run: git lfs pull",
    b"PK": "is a ZIP or PyTorch file, not GGUF; convert it, or choose a repository whose name ends in GGUF",
    b"tjgg": "is in the format before GGUF, which llama.cpp no longer reads; choose a newer file of the model",
    b"lmgg": "is in the format before GGUF, which llama.cpp no longer reads; choose a newer file of the model",
}
"""Beginnings of other files that people mistake for GGUF, and the remedy."""
_SAFETENSORS: Final = re.compile(rb".{8}\{\s*\"", re.DOTALL)
_SCALARS: Final = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING: Final = 8
_ARRAY: Final = 9
_LONG_ARRAY: Final = 64
_MAX_DIMENSIONS: Final = 8

_ENCODERS: Final = frozenset(
    (
        "bert",
        "eurobert",
        "gemma-embedding",
        "jina-bert-v2",
        "jina-bert-v3",
        "modern-bert",
        "neo-bert",
        "nomic-bert",
        "nomic-bert-moe",
        "t5encoder",
    )
)
"""Architectures without a decoder in llama.cpp."""

# ggml's storage types: name, values per block, bytes per block
TENSOR_TYPES: Final = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1),
    25: ("I16", 1, 2),
    26: ("I32", 1, 4),
    30: ("BF16", 1, 2),
    39: ("MXFP4", 32, 17),
}


class NotGGUFError(Exception):
    """The file is not a readable GGUF. The message completes the sentence "FILE ..."."""


class Array(msgspec.Struct, frozen=True):
    """A skipped list: only its length is known."""

    length: int


class Tensor(msgspec.Struct, frozen=True):
    """One tensor: shape (innermost dimension first), storage type, and bytes (None for an unknown type)."""

    name: str
    shape: tuple[int, ...]
    type: str
    size: int | None


class Header(msgspec.Struct, frozen=True):
    """The metadata before the weights, and the size of the whole file in bytes."""

    version: int
    metadata: dict[str, Any]
    tensors: tuple[Tensor, ...]
    file_size: int

    @property
    def embeds(self) -> bool:
        """Whether it is an embedding model: an encoder, or a model that specifies how to pool its vectors."""
        return self.architecture in _ENCODERS or self.number("pooling_type") > 0

    @property
    def architecture(self) -> str:
        """The family of the model (``llama``, ``qwen2``, ``bert``)."""
        return str(self.metadata.get("general.architecture", ""))

    @property
    def part(self) -> tuple[int, int]:
        """The number of this part of a model in several files, from 0 on, and the number of parts."""
        number, count = self.metadata.get("split.no", 0), self.metadata.get("split.count", 1)
        return (number, count) if isinstance(number, int) and isinstance(count, int) else (0, 1)

    def number(self, key: str, default: int = 0) -> int:
        """Return a number of this architecture: ``number("context_length")``. Of a list per layer, the maximum."""
        value = self.metadata.get(f"{self.architecture}.{key}", default)
        if isinstance(value, list):
            value = max((item for item in value if isinstance(item, int)), default=default)
        return value if isinstance(value, int) else default

    @property
    def context_length(self) -> int:
        """The context length in tokens that the model was trained for; 0 if the file does not say."""
        return self.number("context_length")


class _Reader:
    """A position in the mapped file."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self.at = 0

    def unpack(self, layout: str) -> Any:
        (value,) = struct.unpack_from(layout, self.data, self.at)
        self.at += struct.calcsize(layout)
        return value

    def text(self) -> str:
        length = self.unpack("<Q")
        if length > len(self.data) - self.at:
            raise NotGGUFError("ends in the middle of its header")
        raw = self.data[self.at : self.at + length]
        self.at += length
        return raw.decode("utf-8", "replace")

    def value(self, kind: int) -> Any:
        if kind == _STRING:
            return self.text()
        if kind == _ARRAY:
            return self.array()
        if kind not in _SCALARS:
            raise NotGGUFError(f"has a value of unknown type {kind}")
        return self.unpack(_SCALARS[kind])

    def array(self) -> Any:
        kind, length = self.unpack("<I"), self.unpack("<Q")
        if length > len(self.data) - self.at:
            raise NotGGUFError("ends in the middle of its header")
        if length <= _LONG_ARRAY:
            return [self.value(kind) for _ in range(length)]
        if kind in _SCALARS:
            self.at += length * struct.calcsize(_SCALARS[kind])
        elif kind == _STRING:
            self._skip_texts(length)
        else:
            for _ in range(length):
                self.value(kind)
        return Array(length)

    def _skip_texts(self, count: int) -> None:
        unpack, data, at = struct.Struct("<Q").unpack_from, self.data, self.at
        for _ in range(count):
            at += 8 + unpack(data, at)[0]
        self.at = at

    def tensor(self) -> tuple[Tensor, int]:
        """Return a tensor's record and the offset of its data."""
        name = self.text()
        dimensions = self.unpack("<I")
        if dimensions > _MAX_DIMENSIONS:
            raise NotGGUFError("has a damaged list of tensors")
        shape = tuple(self.unpack("<Q") for _ in range(dimensions))
        kind, offset = self.unpack("<I"), self.unpack("<Q")
        title, block, size = TENSOR_TYPES.get(kind, (f"type {kind}", 0, 0))
        count = 1
        for length in shape:
            count *= length
        return Tensor(name, shape, title, count // block * size if block else None), offset


def read_header(path: Path) -> Header:
    """Read the header of a GGUF file. Raises NotGGUFError, or OSError if it cannot be opened."""
    with path.open("rb") as file:
        beginning = file.read(32)
        if not beginning.startswith(_MAGIC):
            raise NotGGUFError(_what_else(beginning))
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                return _read(data)
            except (struct.error, OverflowError):
                raise NotGGUFError("ends in the middle of its header") from None
            except (RecursionError, TypeError, ZeroDivisionError):
                raise NotGGUFError("has a damaged header") from None


def _what_else(beginning: bytes) -> str:
    for magic, sentence in _OTHERS.items():
        if beginning.startswith(magic):
            return sentence
    if _SAFETENSORS.match(beginning):
        return "is a safetensors file, not GGUF; convert it, or choose a repository whose name ends in GGUF"
    return "is not a GGUF file"


def _read(data: mmap.mmap) -> Header:
    reader = _Reader(data)
    reader.at = len(_MAGIC)
    version = reader.unpack("<I")
    if version in (2 << 24, 3 << 24):
        raise NotGGUFError("has the byte order of other machines")
    if version not in (2, 3):
        raise NotGGUFError(f"is GGUF version {version}; ORBIT reads versions 2 and 3")
    tensor_count, pair_count = reader.unpack("<Q"), reader.unpack("<Q")
    metadata: dict[str, Any] = {}
    for _ in range(pair_count):
        key = reader.text()
        metadata[key] = reader.value(reader.unpack("<I"))
    records = [reader.tensor() for _ in range(tensor_count)]
    alignment = metadata.get("general.alignment", 32)
    if not records:
        return Header(version, metadata, (), len(data))
    start = -(-reader.at // alignment) * alignment
    end = max((start + offset + (tensor.size or 0) for tensor, offset in records))
    if end > len(data):
        raise NotGGUFError(f"is incomplete: it has {len(data):,} of {end:,} bytes")
    return Header(version, metadata, tuple(tensor for tensor, _ in records), len(data))
