"""The small SQLite file that remembers what was ingested from where."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from orbit.errors import OrbitError

NAME = "ingested.db"
"""Its name in ``general.data_dir``."""


@contextmanager
def opened(path: Path, tables: Iterable[str]) -> Iterator[sqlite3.Connection]:
    """Open the file for one transaction, with tables made by these statements. Raises OrbitError."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=30)) as database, database:
            for table in tables:
                database.execute(table)
            yield database
    except (sqlite3.Error, OSError) as error:
        raise OrbitError(f"{path} cannot be used: {error}") from error
