"""The watchdog ends a process whatever it is doing, and says what was still running."""

from __future__ import annotations

import subprocess
import sys

import pytest

STUCK = """
import logging, signal, sys, threading, time
from orbit.serving.watchdog import Watchdog
logging.basicConfig(format="%(message)s")
watchdog = Watchdog()
watchdog.start()

def never_ends():
    while True:
        time.sleep(0.01)

threading.Thread(target=never_ends, name="indexer").start()
{}
never_ends()
"""


def run(body: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", STUCK.format(body)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_a_stuck_process_ends_and_names_its_threads() -> None:
    done = run("watchdog.arm(0.2)")
    assert done.returncode == 1
    assert "did not stop within 0.2 s" in done.stderr
    assert "indexer in never_ends" in done.stderr
    assert "MainThread in " in done.stderr
    assert "watchdog" not in done.stderr


def test_an_end_that_is_no_failure_is_silent() -> None:
    done = run("watchdog.arm(0.2, 0)")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "body", ["watchdog.arm(0.2, 3); watchdog.arm(60, 4)", "watchdog.arm(60, 4); watchdog.arm(0.2, 3)"]
)
def test_the_earliest_deadline_counts(body: str) -> None:
    assert run(body).returncode == 3


def test_a_held_lock_of_the_log_does_not_block_the_end() -> None:
    assert run("logging.getLogger().handlers[0].acquire(); watchdog.arm(0.2, 5)").returncode == 5


def test_a_signal_handler_may_set_the_deadline() -> None:
    body = "signal.signal(signal.SIGALRM, lambda *_: watchdog.arm(0.1, 6)); signal.alarm(1)"
    assert run(body).returncode == 6


def test_children_end_too() -> None:
    body = (
        "import multiprocessing; child = multiprocessing.get_context('fork').Process(target=never_ends); child.start();"
        "print(child.pid, flush=True); watchdog.arm(0.2)"
    )
    done = run(body)  # returns once nobody holds the pipes any longer, the child included
    assert done.returncode == 1
    assert done.stdout.strip().isdigit()
