"""A MongoDB-wire server from a package, as a process on a free port."""

import contextlib
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Self


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class MongoServer:
    """Start and stop it as often as wanted: it keeps its port and its data."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.uri = f"mongodb://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = shutil.which("nx-27017", path=str(Path(sys.executable).parent)) or "nx-27017"
        where = ["--db", str(self.folder / "data.db"), "--host", "127.0.0.1", "--port", str(self.port)]
        logs = ["--log-file", str(self.folder / "log"), "--pid-file", str(self.folder / "pid")]
        self._process = subprocess.Popen(
            [program, *where, *logs], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder
        )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.5):
                return
            time.sleep(0.05)
        self.stop()
        raise TimeoutError("the MongoDB-wire server did not start")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
