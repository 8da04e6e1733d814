"""Moves start-up objects out of the garbage collector's reach (``gc.freeze``)."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def settled() -> Generator[None, None, None]:
    """Keep the garbage collector from scanning all start-up objects again and again.

    There are some hundred thousand of them, and each scan would stall every stream for tens of milliseconds.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
