"""A real Chroma server on loopback."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest


class ChromaServer:
    """``chroma run`` on a free port; can be stopped and started again on the same data."""

    def __init__(self, folder: Path, *, host: str = "127.0.0.1") -> None:
        self.folder, self.host = folder, host
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [str(Path(sys.executable).with_name("chroma")), "run", "--path", str(self.folder)]
        self.process = subprocess.Popen(
            [*command, "--host", self.host, "--port", str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
        )
        for _ in range(300):
            try:
                httpx.get(f"http://{self.host}:{self.port}/api/v2/heartbeat").raise_for_status()
            except httpx.HTTPError:
                time.sleep(0.05)
            else:
                return
        self.stop()
        pytest.fail("chroma run did not begin to listen")

    def clean(self) -> None:
        """Delete all collections."""
        collections = (
            f"http://{self.host}:{self.port}/api/v2/tenants/default_tenant/databases/default_database/collections"
        )
        for collection in httpx.get(collections).raise_for_status().json():
            httpx.delete(f"{collections}/{collection['name']}").raise_for_status()

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
