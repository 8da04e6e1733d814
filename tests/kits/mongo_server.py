"""Servers of MongoDB's wire, as processes on free ports: one from a package, and FerretDB if somebody built it."""

import contextlib
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

from real_servers import program


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class MongoServer:
    """Start and stop it as often as wanted: it keeps its port and its data."""

    def __init__(self, folder: Path, *, host: str = "127.0.0.1") -> None:
        self.folder = folder
        self.host, self.port = host, free_port()
        self.uri = f"mongodb://{host}:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        program = shutil.which("nx-27017", path=str(Path(sys.executable).parent)) or "nx-27017"
        where = ["--db", str(self.folder / "data.db"), "--host", self.host, "--port", str(self.port)]
        return [program, *where, "--log-file", str(self.folder / "log"), "--pid-file", str(self.folder / "pid")]

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder
        )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection((self.host, self.port), 0.5):
                return
            time.sleep(0.05)
        self.stop()
        raise TimeoutError("the MongoDB-wire server did not start")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class FerretServer(MongoServer):
    """FerretDB on SQLite. It keeps its data in the folder."""

    def command(self) -> list[str]:
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        where = ["--listen-addr", f"{self.host}:{self.port}", "--debug-addr", "-", "--state-dir", str(self.folder)]
        return [program("ferretdb") or "ferretdb", "--handler", "sqlite", "--sqlite-url", f"file:{data}/", *where]
