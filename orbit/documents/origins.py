"""Remembers which folder gave each source of a collection, so that pruning removes nothing that another folder gave."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from orbit.errors import OrbitError

_TABLE = """
CREATE TABLE IF NOT EXISTS origins (
    collection TEXT NOT NULL, source TEXT NOT NULL, folder TEXT NOT NULL, PRIMARY KEY (collection, source)
) WITHOUT ROWID
"""


class Origins:
    """A small SQLite file. Its methods block, and open it each: an ingestion calls them a few times.

    The last folder that gave a source owns it. The folder is empty for uploads and for files that were given by name.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def claim(self, collection: str, folders: Mapping[str, str]) -> None:
        """Record the folder of each source."""
        rows = ((collection, source, folder) for source, folder in folders.items())
        with self._open() as database:
            database.executemany("INSERT OR REPLACE INTO origins VALUES (?, ?, ?)", rows)

    def given_by(self, collection: str, folders: Iterable[str]) -> set[str]:
        """Return the sources that these folders gave last."""
        wanted = set(folders)
        with self._open() as database:
            rows = database.execute("SELECT source, folder FROM origins WHERE collection = ?", (collection,))
            return {source for source, folder in rows if folder in wanted}

    def rename(self, collection: str, new_name: str) -> None:
        """Move the records of a collection to another name."""
        with self._open() as database:
            database.execute("DELETE FROM origins WHERE collection = ?", (new_name,))
            database.execute("UPDATE origins SET collection = ? WHERE collection = ?", (new_name, collection))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Open the file for one transaction. Raises OrbitError."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, timeout=30)) as database, database:
                database.execute(_TABLE)
                yield database
        except (sqlite3.Error, OSError) as error:
            raise OrbitError(f"{self._path} cannot be used: {error}") from error
