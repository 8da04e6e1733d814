"""Remembers which folder gave each source of a collection: what pruning may remove, and which files can be served."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Self

from orbit.documents.files import LocalFile
from orbit.documents.ledger import NAME, opened

_TABLES = (
    """
    CREATE TABLE IF NOT EXISTS origins (
        collection TEXT NOT NULL, source TEXT NOT NULL, folder TEXT NOT NULL, PRIMARY KEY (collection, source)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE IF NOT EXISTS files (
        collection TEXT NOT NULL, source TEXT NOT NULL, path BLOB NOT NULL, within BLOB NOT NULL,
        PRIMARY KEY (collection, source)
    ) WITHOUT ROWID
    """,
)


class Origins:
    """Tables of the ledger. Each method opens the file, and blocks: an ingestion calls them a few times.

    The last folder that gave a source owns it. The folder is empty for uploads and for files that were given by name.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def of(cls, data_dir: Path) -> Self:
        """Return those of a data folder (``general.data_dir``)."""
        return cls(data_dir / NAME)

    def claim(self, collection: str, folders: Mapping[str, str], files: Mapping[str, LocalFile] | None = None) -> None:
        """Record the folder of each source, and the files of those that are on this machine."""
        rows = ((collection, source, folder) for source, folder in folders.items())
        gone = ((collection, source) for source in folders)
        paths = ((collection, source, *_path_of(file)) for source, file in (files or {}).items())
        with self._open() as database:
            database.executemany("INSERT OR REPLACE INTO origins VALUES (?, ?, ?)", rows)
            database.executemany("DELETE FROM files WHERE collection = ? AND source = ?", gone)
            database.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", paths)

    def given_by(self, collection: str, folders: Iterable[str]) -> set[str]:
        """Return the sources that these folders gave last."""
        wanted = set(folders)
        with self._open() as database:
            rows = database.execute("SELECT source, folder FROM origins WHERE collection = ?", (collection,))
            return {source for source, folder in rows if folder in wanted}

    def served(self, collection: str, sources: Collection[str]) -> set[str]:
        """Return those of the sources that are files on this machine."""
        marks = ", ".join("?" * len(sources))
        query = f"SELECT source FROM files WHERE collection = ? AND source IN ({marks})"  # noqa: S608  # only marks
        with self._open() as database:
            return {source for (source,) in database.execute(query, (collection, *sources))}

    def find(self, collection: str, source: str) -> LocalFile | None:
        """Return the file of a source, which opens only within the folder that gave it; None if none is known."""
        query = "SELECT path, within FROM files WHERE collection = ? AND source = ?"
        with self._open() as database:
            row = database.execute(query, (collection, source)).fetchone()
        return LocalFile(_path(row[0]), source, _path(row[1])) if row else None

    def rename(self, collection: str, new_name: str) -> None:
        """Move the records of a collection to another name."""
        with self._open() as database:
            for table in ("origins", "files"):
                database.execute(f"DELETE FROM {table} WHERE collection = ?", (new_name,))  # noqa: S608  # from above
                database.execute(f"UPDATE {table} SET collection = ? WHERE collection = ?", (new_name, collection))  # noqa: S608  # from above

    def copy(self, collection: str, target: str) -> None:
        """Let a copy of a collection show the same files. Its folders stay those of the original."""
        query = "INSERT OR REPLACE INTO files SELECT ?, source, path, within FROM files WHERE collection = ?"
        with self._open() as database:
            database.execute("DELETE FROM files WHERE collection = ?", (target,))
            database.execute(query, (target, collection))

    def _open(self) -> AbstractContextManager[sqlite3.Connection]:
        return opened(self._path, _TABLES)


def _path_of(file: LocalFile) -> tuple[bytes, bytes]:
    """Return a file's path and its folder, with links resolved. Names need not be UTF-8."""
    path = Path(os.path.realpath(file.path))
    return os.fsencode(path), os.fsencode(file.within or path.parent)


def _path(stored: bytes) -> Path:
    return Path(os.fsdecode(stored))
