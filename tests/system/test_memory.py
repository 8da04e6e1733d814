"""Freed memory is returned to the operating system."""

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

from orbit.system import memory

SCRIPT = """
from orbit.system.memory import give_back
def resident():
    lines = open("/proc/self/status").read().split("\\n")
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
blocks = [bytes(1000 + number % 7) for number in range(100_000)]
last = bytes(1000)  # after them on the heap, so that its end cannot shrink
blocks.clear()
before = resident()
give_back()
print(before - resident())
"""


@pytest.mark.skipif(not Path("/lib/x86_64-linux-gnu/libc.so.6").exists(), reason="needs glibc")
def test_freed_memory_goes_back() -> None:
    ran = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert int(ran.stdout) > 50_000


def test_without_glibc_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", absent)
    memory.give_back()
