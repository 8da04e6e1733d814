"""What a model takes in memory, from its file's header alone."""

from __future__ import annotations

import os
from typing import Final

import msgspec

from orbit_llamacpp.gguf import Header

_HALF: Final = 2  # bytes of a value in the cache: f16
_OVERHEAD: Final = 64 * 1024 * 1024  # the library, its tables, the process


class Estimate(msgspec.Struct, frozen=True):
    """Bytes by what they are for. ``cache_token`` is the share of one token of context."""

    weights: int
    cache_token: int
    cache: int
    work: int

    @property
    def total(self) -> int:
        """All together."""
        return self.weights + self.cache + self.work + _OVERHEAD


def estimate(header: Header, window: int, parallel: int, n_batch: int) -> Estimate:
    """What ``parallel`` conversations of ``window`` tokens take. Good to some ten percent."""
    heads = header.number("attention.head_count")
    width = header.number("embedding_length")
    size = width // heads if heads else 0
    key = header.number("attention.key_length", size)
    value = header.number("attention.value_length", size)
    kv_heads = header.number("attention.head_count_kv", heads)
    token = header.number("block_count") * kv_heads * (key + value) * _HALF
    widest = max(header.number("feed_forward_length"), width, heads * window // 4)
    return Estimate(header.file_size, token, token * window * parallel, n_batch * widest * 4 * 3)


def memory_available() -> int | None:
    """Bytes this machine could still give to a process, or None where that is not known."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:  # noqa: PTH123 - not a path of anybody's choosing
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None
