"""Remembers what connectors fetched, so that the next run fetches only what changed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from orbit.documents.ledger import opened

_TABLE = """
CREATE TABLE IF NOT EXISTS fetched (
    connector TEXT NOT NULL, collection TEXT NOT NULL, name TEXT NOT NULL,
    version TEXT NOT NULL, recipe TEXT NOT NULL, digest TEXT NOT NULL, problem TEXT NOT NULL,
    PRIMARY KEY (connector, collection, name)
) WITHOUT ROWID
"""


class Remembered(msgspec.Struct, frozen=True):
    """A file as the last run left it."""

    version: str
    """The connector's version of the file."""
    recipe: str
    """Changes when ORBIT would make other passages of the same bytes."""
    digest: str
    """The digest of its passages in the store; empty if it has none."""
    problem: str = ""
    """Why it has none."""


class FetchedFiles:
    """A table of the ledger. Its methods block, and raise OrbitError."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def of(self, connector: str, collection: str) -> dict[str, Remembered]:
        """Return the files that a connector gave, by name."""
        query = "SELECT name, version, recipe, digest, problem FROM fetched WHERE connector = ? AND collection = ?"
        with opened(self._path, [_TABLE]) as database:
            return {name: Remembered(*rest) for name, *rest in database.execute(query, (connector, collection))}

    def replace(self, connector: str, collection: str, files: Mapping[str, Remembered]) -> None:
        """Remember these files and no others."""
        rows = ((connector, collection, name, *msgspec.structs.astuple(file)) for name, file in files.items())
        with opened(self._path, [_TABLE]) as database:
            database.execute("DELETE FROM fetched WHERE connector = ? AND collection = ?", (connector, collection))
            database.executemany("INSERT INTO fetched VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
