"""Remembers what connectors fetched, so that the next run fetches only what changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

import msgspec

from orbit.errors import OrbitError

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
    """A table of a small SQLite file. Its methods block."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def of(self, connector: str, collection: str) -> dict[str, Remembered]:
        """Return the files that a connector gave, by name. Raises OrbitError."""
        query = "SELECT name, version, recipe, digest, problem FROM fetched WHERE connector = ? AND collection = ?"
        rows = self._run([(query, [(connector, collection)])])
        return {name: Remembered(*rest) for name, *rest in rows}

    def replace(self, connector: str, collection: str, files: Mapping[str, Remembered]) -> None:
        """Remember these files and no others. Raises OrbitError."""
        rows = [(connector, collection, name, *msgspec.structs.astuple(file)) for name, file in files.items()]
        self._run(
            [
                ("DELETE FROM fetched WHERE connector = ? AND collection = ?", [(connector, collection)]),
                ("INSERT INTO fetched VALUES (?, ?, ?, ?, ?, ?, ?)", rows),
            ]
        )

    def _run(self, statements: Iterable[tuple[str, list[tuple[str, ...]]]]) -> list[tuple[str, ...]]:
        """Run statements in one transaction, each once per row of parameters. Return the rows of the last one."""
        found: list[tuple[str, ...]] = []
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, timeout=30)) as database, database:
                database.execute(_TABLE)
                for statement, rows in statements:
                    for row in rows:
                        found = database.execute(statement, row).fetchall()
        except (sqlite3.Error, OSError) as error:
            raise OrbitError(f"{self._path} cannot be used: {error}") from error
        return found
