"""A lock on the data folder: a second server would empty the metrics and corrupt embedded databases."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from orbit.errors import ConfigError, Problem
from orbit.host.providers.registry import Registry
from orbit.system.files import lock, open_private, read_at, write_at

LOCK = "server.lock"

logger = logging.getLogger("orbit")


class OwnFolders:
    """The folders that this server keeps from others until it ends."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._locked: set[Path] = set()

    def claim(self, registry: Registry) -> None:
        """Lock the folders of the providers. Raises ConfigError if another server uses one."""
        for name in registry.names():
            for folder in registry[name].folders():
                if (place := folder.absolute()) not in self._locked:
                    self._stack.enter_context(sole_server(folder, name))
                    self._locked.add(place)


def announce(folder: Path, address: str) -> None:
    """Leave the address of the server that holds the lock for commands on this machine."""
    with contextlib.suppress(OSError):
        (folder / LOCK).write_text(f"{os.getpid()}\n{address}\n", "ascii")


def address_of_server(folder: Path) -> str:
    """Return the address of the server that runs, or last ran, on a data folder; empty if unknown."""
    try:
        return _lines((folder / LOCK).read_bytes())[1]
    except OSError:
        return ""


def _lines(content: bytes) -> tuple[str, str]:
    """Return the process and the address in a lock file."""
    lines = [*content.decode("ascii", "replace").split("\n"), "", ""]
    return lines[0].strip(), lines[1].strip()


@contextmanager
def sole_server(folder: Path, setting: str = "general.data_dir") -> Iterator[None]:
    """Keep other servers from the folder while entered. Commands such as ``orbit keys`` may still use it.

    The system releases the lock when the process ends, however it ends. Raises ConfigError, for ``setting``, if another
    server holds the lock.
    """
    made = not folder.exists()
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
            process = _lines(read_at(held, 20, 0))[0] or "unknown"
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
        if made and [path.name for path in folder.iterdir()] == [LOCK]:  # the server did not start
            with contextlib.suppress(OSError):
                (folder / LOCK).unlink()
                folder.rmdir()
