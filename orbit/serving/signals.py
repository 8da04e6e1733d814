"""The signals that stop a server, and who handles those of a terminal."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker

if sys.platform == "win32":
    HANGUP = signal.SIGBREAK
    FORCE = signal.SIGTERM
else:
    HANGUP = signal.SIGHUP
    FORCE = signal.SIGQUIT
    """The signal for workers at a second Ctrl-C. They ignore SIGINT, because a terminal sends it to them too."""

STOPPING = (signal.SIGTERM, signal.SIGINT, HANGUP)
_OF_TERMINALS = frozenset({signal.SIGINT, HANGUP})

REPEAT_SECONDS = 0.5
"""A signal within so many seconds of the first is the same one: tools signal a process and its whole group."""


class Hangup:
    """Tells a terminal that was closed from a request to reload. The signal is SIGHUP for both."""

    def __init__(self) -> None:
        self._had_terminal = _has_terminal()

    @property
    def closed(self) -> bool:
        """Whether the terminal in which the server was started is gone."""
        return sys.platform == "win32" or (self._had_terminal and not _has_terminal())


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | getattr(os, "O_NOCTTY", 0)))
    except OSError:
        return False
    return True


@contextmanager
def shielded() -> Iterator[None]:
    """Start child processes that ignore a terminal's signals until they call ``leave_to_parent``."""
    if sys.platform == "win32":  # has no signal masks
        yield
    else:
        resource_tracker.ensure_running()  # starting it with the first child would unblock SIGINT
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _OF_TERMINALS)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def leave_to_parent() -> None:
    """Ignore the signals that a terminal sends to the whole group; the parent forwards them."""
    for number in _OF_TERMINALS:
        signal.signal(number, signal.SIG_IGN)
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _OF_TERMINALS)
