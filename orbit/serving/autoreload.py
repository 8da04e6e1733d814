"""``--reload``: restarts the server when its code or its configuration changes."""

from __future__ import annotations

import importlib.util
import logging
import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from orbit.host.plugins.discover import installed_plugins
from orbit.serving.signals import STOPPING, shielded

logger = logging.getLogger("orbit")

_LOOK_SECONDS = 0.5
_KILL_SECONDS = 20.0
_spawn = multiprocessing.get_context("spawn")


class Reloader:
    """Runs ``target(listeners)`` in a child process, and restarts it after each change.

    A process that ends by itself, usually because of a mistake in a file, restarts with the next change.
    """

    def __init__(
        self, target: Callable[[list[socket.socket]], None], listeners: list[socket.socket], files: Iterable[Path]
    ) -> None:
        """Watch ``files`` besides all Python files of ORBIT and its plugins. They need not exist."""
        self._target = target
        self._listeners = listeners
        self._files = tuple(files)
        self._folders = _code_folders()
        self._stopping = False
        self._process: SpawnProcess

    def run(self) -> None:
        """Run until a signal to stop."""
        for number in STOPPING:
            signal.signal(number, self._stop)
        state, told = self._state(), False
        self._start()
        while not self._stopping:
            time.sleep(_LOOK_SECONDS)
            now = self._state()
            changed = sorted(path for path in {*state, *now} if state.get(path) != now.get(path))
            if changed:
                logger.warning("%s changed; the server starts again", ", ".join(changed[:3]))
                self._end()
                state, told = now, False
                self._start()
            elif not told and not self._process.is_alive():
                logger.warning("the server ended; it starts again with the next change of a file")
                told = True
        self._end()

    def _start(self) -> None:
        self._process = _spawn.Process(target=self._target, args=(self._listeners,))
        with shielded():
            self._process.start()

    def _end(self) -> None:
        if self._process.is_alive():
            self._process.terminate()
            self._process.join(_KILL_SECONDS)
        if self._process.is_alive():
            self._process.kill()
        self._process.join()

    def _stop(self, number: int, frame: Any) -> None:  # noqa: ARG002  # a signal handler's signature
        self._stopping = True

    def _state(self) -> dict[str, tuple[int, int]]:
        """Return the time of the last change and the size of each watched file."""
        state: dict[str, tuple[int, int]] = {}
        code = (file for folder in self._folders for file in _python_files(folder))
        paths: list[str] = [*map(str, self._files), *code]
        for path in paths:
            try:
                status = os.stat(path)  # noqa: PTH116  # many paths, often: Path objects would double the time
            except OSError:
                continue
            state[path] = (status.st_mtime_ns, status.st_size)
        return state


def _code_folders() -> list[str]:
    """Return the folders with the code of ORBIT and of the installed plugins, without importing a plugin."""
    packages = {
        "orbit",
        *(plugin.target.partition(":")[0].partition(".")[0] for plugin in installed_plugins().values()),
    }
    found: set[str] = set()
    for package in packages:
        try:
            spec = importlib.util.find_spec(package)
        except (ImportError, ValueError):  # loading reports broken plugins
            continue
        if spec is not None:
            found.update(spec.submodule_search_locations or ([spec.origin] if spec.origin else []))
    return sorted(found)


def _python_files(place: str) -> Iterator[str]:
    if not os.path.isdir(place):  # noqa: PTH112  # as in _state
        yield place
        return
    for folder, folders, files in os.walk(place):
        folders[:] = [name for name in folders if not name.startswith((".", "__pycache__", "node_modules"))]
        yield from (os.path.join(folder, name) for name in files if name.endswith(".py"))  # noqa: PTH118  # as in _state
