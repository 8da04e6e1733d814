"""Keeps the vectors of interrupted ingestions on disk, so that a slow model embeds no text twice."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from orbit.errors import ProviderError

if TYPE_CHECKING:
    from orbit.types import Vectors

KEEP_SECONDS = 14 * 86_400
"""Vectors that no ingestion wanted for so long are removed."""

_TABLE = (
    "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL, at REAL NOT NULL) WITHOUT ROWID"
)


class Unfinished:
    """A SQLite file that exists only while something is unfinished. All methods block."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def exists(self) -> bool:
        """Return whether an ingestion is running slowly or was interrupted."""
        return self._path.exists()

    @staticmethod
    def key(embedding: str, text: str) -> bytes:
        """Return the key of a text's vector."""
        return hashlib.blake2b(f"{embedding}\0{text}".encode("utf-8", "surrogatepass"), digest_size=20).digest()

    def find(self, embedding: str, texts: Sequence[str]) -> dict[str, Vectors]:
        """Return the vectors of those texts that have one."""
        import numpy as np  # noqa: PLC0415  # only those who embed pay for it

        found: dict[str, Vectors] = {}
        with self._open() as database:
            for text in texts:
                query = "SELECT vector FROM vectors WHERE key = ?"
                if row := database.execute(query, (self.key(embedding, text),)).fetchone():
                    found[text] = np.frombuffer(row[0], dtype=np.float32)
        return found

    def add(self, embedding: str, texts: Sequence[str], vectors: Vectors) -> set[bytes]:
        """Keep the vectors of texts, and return their keys."""
        now = time.time()
        keys = [self.key(embedding, text) for text in texts]
        rows = [(key, vector.tobytes(), now) for key, vector in zip(keys, vectors, strict=True)]
        with self._open() as database:
            database.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)
        return set(keys)

    def remove(self, keys: Sequence[bytes]) -> None:
        """Remove vectors that a store holds now, and old ones; the last one takes the file with it."""
        with self._open() as database:
            database.executemany("DELETE FROM vectors WHERE key = ?", ((key,) for key in keys))
            database.execute("DELETE FROM vectors WHERE at < ?", (time.time() - KEEP_SECONDS,))
            empty = database.execute("SELECT NOT EXISTS (SELECT 1 FROM vectors)").fetchone()[0]
        if empty:
            with suppress(OSError):  # on Windows another process may have it open
                self._path.unlink()

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Open the file for one transaction. Raises ProviderError."""
        try:
            with closing(sqlite3.connect(self._path, timeout=30)) as database, database:
                database.execute(_TABLE)
                yield database
        except sqlite3.Error as error:
            raise ProviderError(f"{self._path}, which keeps interrupted work, cannot be used: {error}") from error
