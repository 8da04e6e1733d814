"""Child processes ignore a terminal's signals from their first moment; their parent does not."""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.connection import Connection

import pytest

from orbit.serving.signals import HANGUP, leave_to_parent, shielded

TERMINALS = [signal.SIGINT, HANGUP]


def child(channel: Connection) -> None:
    """Tell which signals wait at the door, and whether they do harm once it is open."""
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    for number in TERMINALS:
        os.kill(os.getpid(), number)
    leave_to_parent()
    channel.send((sorted(blocked), sorted(signal.sigpending()), sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ()))))


@pytest.mark.processes
def test_a_child_survives_signals_of_the_terminal_even_while_it_starts() -> None:
    spawn = multiprocessing.get_context("spawn")
    mine, theirs = spawn.Pipe(duplex=False)
    with mine, theirs:
        process = spawn.Process(target=child, args=(theirs,))
        with shielded():
            process.start()
        assert mine.poll(60)
        blocked, pending, later = mine.recv()
        process.join()
    assert set(TERMINALS) <= set(blocked)
    assert not set(TERMINALS) & {*pending, *later}
    assert process.exitcode == 0


def test_the_parent_gets_its_mask_back_also_after_an_error() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())

    def start() -> None:
        with shielded():
            assert set(TERMINALS) <= signal.pthread_sigmask(signal.SIG_BLOCK, ())
            raise OSError("no more processes")

    with pytest.raises(OSError, match="no more processes"):
        start()
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
