"""Moves start-up objects out of the garbage collector's reach (``gc.freeze``), and returns what starting has freed."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager

from orbit.system.memory import give_back

_YOUNG = 10_000
"""Net new objects before a collection. Turns leave no cycles behind, so Python's own 700 spend 5 % of a turn on
looking through those that run.
"""


@contextmanager
def settled() -> Generator[None, None, None]:
    """Keep the garbage collector from scanning all start-up objects again and again.

    There are some hundred thousand of them, and each scan would stall every stream for tens of milliseconds. What
    loading models has freed, some 60 MiB for MiniLM, goes back to the operating system.
    """
    give_back()
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_YOUNG, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


def settle_again() -> None:
    """Collect what a reload has left behind, and keep the collector from scanning what took its place."""
    gc.unfreeze()
    gc.collect()
    give_back()
    gc.freeze()
