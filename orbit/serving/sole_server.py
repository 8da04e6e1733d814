"""One server for a folder: a second one would empty its metrics, and embedded databases know no other writer."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orbit.errors import ConfigError, Problem

LOCK = "server.lock"

logger = logging.getLogger("orbit")


@contextmanager
def sole_server(folder: Path, setting: str = "general.data_dir") -> Iterator[None]:
    """While entered, no other server can use the folder; commands such as ``orbit keys`` can.

    The system gives the lock back when the process ends, however it ends. Raises ConfigError, under the name of
    ``setting``, if another server has it.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        sentence = f"the folder {folder} cannot be used: {error.strerror or error}."
        raise ConfigError([Problem(setting, sentence)]) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            process = os.pread(lock, 20, 0).decode("ascii", "replace").strip() or "unknown"
            sentence = (
                f"another server, process {process}, uses the folder {folder.absolute()}. "
                "Stop it, or give this one a folder of its own."
            )
            raise ConfigError([Problem(setting, sentence)]) from error
        except OSError as error:  # some network file systems have no locks
            logger.warning("%s cannot be locked against a second server: %s", folder, error.strerror or error)
        with contextlib.suppress(OSError):  # on a full disk the lock holds all the same
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(lock)
