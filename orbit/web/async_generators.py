"""Keeps the event loop from tracking the async generators of requests."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def untracked() -> Generator[None, None, None]:
    """Let async generators begin without an entry in the event loop's set of those to close when it ends.

    asyncio keeps the set in Python, and each of a turn's generators enters and leaves it. Whoever begins a generator
    here closes it. The loop still closes those that are dropped.
    """
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(firstiter=None)
    try:
        yield
    finally:
        sys.set_asyncgen_hooks(*hooks)
