"""What is there when the server has started stays until it ends."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def settled() -> Generator[None, None, None]:
    """Spare the garbage collector from going through everything that start-up has made, again and again.

    That is some hundred thousand objects, and each time it would hold up every stream for tens of milliseconds.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
