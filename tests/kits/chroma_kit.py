"""A real Chroma server on loopback, and a host that embeds without any model."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import zlib
from pathlib import Path

import httpx
import numpy as np
import pytest

import orbit


class WordHost:
    """Embeds by hashing words: texts that share words are alike."""

    def __init__(self, data_dir: Path, embedding: str = "fake/words", dimension: int = 64) -> None:
        self.data_dir = data_dir
        self.embedding = embedding
        self.dimension = dimension
        self.fail_after: int | None = None
        self.batches: list[int] = []

    def embeds(self, embedding):
        return embedding == self.embedding

    async def embed(self, texts, kind, context, embedding=""):
        self.batches.append(len(texts))
        if self.fail_after is not None and len(self.batches) > self.fail_after:
            raise orbit.ProviderError("the model is gone", kind="unavailable")
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split():
                vectors[row, zlib.crc32(word.encode()) % self.dimension] += 1
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / np.where(lengths > 0, lengths, 1)


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
