"""Runs the engine in a separate process: commands arrive over a socket, events leave over it.

A crash in native code ends this process, not the server. The process never outlives its parent: when the socket closes,
for whatever reason, it exits at once, even in the middle of a computation.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import traceback
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final

from orbit_llamacpp.protocol import HEADER, Event, Failed, Ready, Start, decode_command, encode

if TYPE_CHECKING:
    from orbit_llamacpp.engine.engine import Engine

_BROKEN: Final = 70


class _Events:
    """Writes events to the socket, from any thread."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def __call__(self, events: list[Event]) -> None:
        with self._lock:
            try:
                self._connection.sendall(encode(events))
            except OSError:
                _leave(0)  # the parent is gone


def _leave(status: int) -> None:
    """Exit at once, whatever the threads are doing."""
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    os._exit(status)


def _receive(connection: socket.socket, size: int) -> bytes:
    """Return exactly so many bytes. Exit the process if the parent closes the socket."""
    parts = bytearray()
    while len(parts) < size:
        part = connection.recv(size - len(parts))
        if not part:
            _leave(0)
        parts += part
    return bytes(parts)


def _load(command: Start, emit: _Events) -> Engine | None:
    """Return the engine, or None after reporting why there is none."""
    try:
        from orbit_llamacpp.engine.engine import Engine  # noqa: PLC0415 - a failed import has to be told to the parent

        engine = Engine(Path(command.path), command.settings, emit)
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent says it to the operator
        emit([Failed(command.id, "failed", str(error) or repr(error))])
        return None
    emit([Ready(command.id, engine.window, engine.dimension, engine.notices)])
    return engine


def _on_thread_error(arguments: threading.ExceptHookArgs) -> None:
    error: tuple[type[BaseException], BaseException | None, TracebackType | None]
    error = (arguments.exc_type, arguments.exc_value, arguments.exc_traceback)
    traceback.print_exception(*error)
    _leave(_BROKEN)  # an engine without its loop answers nobody: exit, and let the parent restart it


def _be_displaced() -> None:
    """Let other processes that wake up run first, with an equal share of the processors.

    The server wakes up for each step's tokens. Otherwise llama.cpp's threads, which wake each other some hundred times
    a step, interrupt it every time.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # a container may forbid it
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def main() -> None:
    """Serve the socket whose descriptor is the first argument."""
    _be_displaced()  # before any thread: they inherit it
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides when to stop
    threading.excepthook = _on_thread_error
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        emit = _Events(connection)
        engine: Engine | None = None
        while True:
            (length,) = HEADER.unpack(_receive(connection, HEADER.size))
            command = decode_command(_receive(connection, length))
            if isinstance(command, Start):
                if command.settings.verbose:
                    logging.basicConfig(level=logging.DEBUG, format="%(name)s: %(message)s")
                engine = _load(command, emit)
                if engine is None:
                    _leave(0)
            elif engine is not None:
                engine.send(command)


if __name__ == "__main__":
    main()
