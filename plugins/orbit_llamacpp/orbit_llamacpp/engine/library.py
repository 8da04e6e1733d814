"""Initializes llama.cpp once and redirects its messages."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import sys
from collections import deque
from collections.abc import Iterator
from typing import Final

import llama_cpp as lib

_ERROR: Final = 4
_CONTINUED: Final = 5
_LEVELS: Final = {1: logging.DEBUG, 2: logging.INFO, 3: logging.WARNING, 4: logging.ERROR}

logger = logging.getLogger("orbit_llamacpp.native")
complaints: deque[str] = deque(maxlen=4)
"""llama.cpp's latest error messages: its functions only return that they failed."""


class NativeError(Exception):
    """A call into llama.cpp failed; the message contains the library's own report."""


def native_error(what: str) -> NativeError:
    """Return an error that says what failed and what llama.cpp reported."""
    reason = "; ".join(complaints)
    complaints.clear()
    return NativeError(f"{what}: {reason}" if reason else what)


class _Log:
    """Forwards llama.cpp's messages to Python's logging, and errors also to ``complaints``."""

    verbose = False
    level = _ERROR


@lib.llama_log_callback  # type: ignore[untyped-decorator]  # ctypes makes it
def _on_message(level: int, text: bytes, _data: ctypes.c_void_p) -> None:
    if level != _CONTINUED:
        _Log.level = level
    message = text.decode("utf-8", "replace").strip()
    if not message or message == ".":
        return
    if _Log.level == _ERROR:
        complaints.append(message)
    if _Log.verbose:
        logger.log(_LEVELS.get(_Log.level, logging.DEBUG), message)


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Keep native code's own output to standard error out of the server's log: it may quote a request."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


_initialised: list[bool] = []


def initialise(verbose: bool = False) -> None:
    """Redirect the library's messages and start its backends. Repeated calls only set ``verbose``."""
    _Log.verbose = verbose
    if not _initialised:
        _initialised.append(True)
        lib.llama_log_set(_on_message, ctypes.c_void_p(0))
        lib.llama_backend_init()
