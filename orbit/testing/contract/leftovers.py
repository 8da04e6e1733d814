"""Detects resources that a provider leaks: tasks, threads, processes, open files and sockets."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

_POLL_SECONDS = 0.02
_LOOP_THREADS = "asyncio_"
"""Prefix of the threads of ``asyncio.to_thread``. The event loop keeps them for later calls, so they are no leak."""


class Running(msgspec.Struct, frozen=True):
    """Everything that runs or is open in this process: a key for each resource, and its description."""

    tasks: Mapping[Any, str]
    threads: Mapping[Any, str]
    processes: Mapping[Any, str]
    files: Mapping[Any, str]


def running() -> Running:
    """Return what runs now. Sees processes, files and sockets only on systems with ``/proc``."""
    try:
        current = asyncio.current_task()
        tasks = {task: f"the task '{task.get_name()}'" for task in asyncio.all_tasks() if task is not current}
    except RuntimeError:  # no event loop runs here
        tasks = {}
    threads = {
        thread: f"the thread '{thread.name}'"
        for thread in threading.enumerate()
        if not thread.name.startswith(_LOOP_THREADS)
    }
    return Running(tasks, threads, _processes(), _files())


def new(before: Running, *kinds: str) -> list[str]:
    """Describe what runs now and did not run before, of the given kinds (``tasks``, ...) or of all."""
    now = running()
    found: list[str] = []
    for name in kinds or Running.__struct_fields__:
        old = getattr(before, name)
        found += [words for key, words in getattr(now, name).items() if key not in old]
    return found


async def left(before: Running, seconds: float, *kinds: str) -> str:
    """Wait up to ``seconds`` for everything new to end. Return a description of the rest, empty if nothing is left."""
    found: list[str] = []

    def ended() -> bool:
        found[:] = new(before, *kinds)
        return not found

    await until(ended, seconds)
    return " and ".join(found[:3])


async def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until the condition holds. Return False if it does not within ``seconds``."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not condition():
        if loop.time() >= end:
            return False
        await asyncio.sleep(_POLL_SECONDS)
    return True


def _processes() -> dict[Any, str]:
    found: dict[Any, str] = {}
    for task in Path("/proc/self/task").glob("*/children"):
        try:
            children = task.read_text(encoding="ascii").split()
        except OSError:  # the thread has ended meanwhile
            continue
        found |= {child: f"the process {child}" for child in children}
    return found


def _files() -> dict[Any, str]:
    found: dict[Any, str] = {}
    folder = Path("/proc/self/fd")
    for entry in folder.iterdir() if folder.is_dir() else ():
        try:
            target = str(entry.readlink())
        except OSError:  # the descriptor of this listing itself
            continue
        if target.startswith("socket:"):
            found[target] = "an open socket"
        elif target.startswith("/") and not target.startswith("/dev/"):
            found[target] = f"the open file {target}"
    return found
