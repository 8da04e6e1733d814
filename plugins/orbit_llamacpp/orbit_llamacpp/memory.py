"""Estimates a model's memory use from its file's header alone."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import Final

import msgspec

from orbit_llamacpp.gguf import Header

_HALF: Final = 2  # bytes per value in the cache: f16
_OVERHEAD: Final = 64 * 1024 * 1024  # the library, its tables, the process


class Estimate(msgspec.Struct, frozen=True):
    """Bytes by purpose. ``cache_token`` is the share of one token of context."""

    weights: int
    cache_token: int
    cache: int
    work: int

    @property
    def total(self) -> int:
        """The sum of all purposes."""
        return self.weights + self.cache + self.work + _OVERHEAD


def estimate(header: Header, window: int, parallel: int, n_batch: int) -> Estimate:
    """Estimate the memory of ``parallel`` conversations of ``window`` tokens, to within some ten percent."""
    heads = header.number("attention.head_count")
    width = header.number("embedding_length")
    size = width // heads if heads else 0
    key = header.number("attention.key_length", size)
    value = header.number("attention.value_length", size)
    kv_heads = header.number("attention.head_count_kv", heads)
    token = header.number("block_count") * kv_heads * (key + value) * _HALF
    widest = max(header.number("feed_forward_length"), width, heads * window // 4)
    return Estimate(header.file_size, token, token * window * parallel, n_batch * widest * 4 * 3)


def too_large(header: Header, window: int, parallel: int, n_batch: int) -> str:
    """Return why so many conversations can never fit into this machine's memory; empty if they may."""
    memory, need = memory_total(), estimate(header, window, parallel, n_batch)
    unknown = (f"{header.architecture}.ssm.", f"{header.architecture}.attention.kv_lora_rank")
    if memory is None or any(key.startswith(unknown) for key in header.metadata):
        return ""  # layers without a cache, or with a compressed one
    if need.cache + need.work <= memory:
        return ""
    return (
        f"{parallel} conversations of {window:,} tokens take about {gibibytes(need.cache + need.work)}, and this "
        f"machine has {gibibytes(memory)}; reduce the tokens or the number of conversations"
    )


def gibibytes(size: int) -> str:
    """Format bytes in GiB."""
    return f"{size / 1024**3:,.1f} GiB"


def memory_total() -> int | None:
    """Return the memory of this machine or container in bytes; None if unknown."""
    total = _pages("SC_PHYS_PAGES")
    if total is None:
        return None
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):
            total = min(total, int(Path(limit).read_text("ascii")))
    return total


def memory_available() -> int | None:
    """Return the memory still available to a process in bytes; None if unknown."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:  # noqa: PTH123 - not a path of anybody's choosing
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return _pages("SC_AVPHYS_PAGES")


def _pages(name: str) -> int | None:
    """Return the bytes of the memory pages that the system counts under a name; None if it counts none."""
    if sys.platform != "win32":
        with contextlib.suppress(OSError, ValueError):
            return os.sysconf(name) * os.sysconf("SC_PAGE_SIZE")
    return None
