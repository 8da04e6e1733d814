"""A lock on the data folder: a second server would empty the metrics and corrupt embedded databases."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orbit.errors import ConfigError, Problem
from orbit.system.files import lock, open_private, read_at, write_at

LOCK = "server.lock"

logger = logging.getLogger("orbit")


@contextmanager
def sole_server(folder: Path, setting: str = "general.data_dir") -> Iterator[None]:
    """Keep other servers from the folder while entered. Commands such as ``orbit keys`` may still use it.

    The system releases the lock when the process ends, however it ends. Raises ConfigError, for ``setting``, if another
    server holds the lock.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = open_private(folder / LOCK)
    except OSError as error:
        sentence = f"the folder {folder} cannot be used: {error.strerror or error}."
        raise ConfigError([Problem(setting, sentence)]) from error
    try:
        try:
            alone = lock(held, wait=False)
        except OSError as error:  # some network file systems have no locks
            logger.warning("%s cannot be locked against a second server: %s", folder, error.strerror or error)
            alone = True
        if not alone:
            process = read_at(held, 20, 0).decode("ascii", "replace").strip() or "unknown"
            sentence = (
                f"another server, process {process}, uses the folder {folder.absolute()}. "
                "Stop it, or give this one a folder of its own."
            )
            raise ConfigError([Problem(setting, sentence)])
        with contextlib.suppress(OSError):  # the lock works on a full disk too
            os.ftruncate(held, 0)
            write_at(held, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(held)
