"""Which files there are to read below some paths."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from orbit.errors import OrbitError
from orbit.ingest.sections import UnreadableError


class LocalFile(msgspec.Struct, frozen=True):
    """A file and the name it is stored under: its path relative to the folder that was given."""

    path: Path
    source: str

    def load(self, limit: int) -> bytes:
        """The content. Raises UnreadableError if there is more than ``limit`` bytes, or none can be had."""
        if self.path.exists() and not self.path.is_file():
            raise UnreadableError("is not a file")  # To open a pipe would wait for somebody to write into it.
        try:
            with self.path.open("rb") as file:
                content = file.read(limit + 1)
        except OSError as error:
            raise UnreadableError(f"cannot be read: {error.strerror or error}") from error
        if len(content) > limit:
            raise UnreadableError(f"is larger than {limit:,} bytes (ingest.max_file_bytes)")
        return content


def find_files(paths: Iterable[Path]) -> list[LocalFile]:
    """All files in the given paths, sorted by name within each.

    Hidden files and folders are passed over, and so are links to folders, which may lead in circles; what is given
    itself is taken whatever its name. Raises OrbitError for a path that does not exist.
    """
    found: dict[Path, LocalFile] = {}
    for path in paths:
        if path.is_dir():
            for file in _walk(path):
                found.setdefault(file, LocalFile(file, _name(file.relative_to(path))))
        elif path.exists():
            found.setdefault(path, LocalFile(path, _name(Path(path.name))))
        else:
            raise OrbitError(f"There is no file or folder '{path}'.")
    return list(found.values())


def _walk(folder: Path) -> Iterator[Path]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return  # A folder that may not be read has no files for us.
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path))
        elif not entry.is_dir() and (entry.is_file() or entry.is_symlink()):
            yield Path(entry.path)


def _name(relative: Path) -> str:
    """With ``/`` on every system, and without the bytes of a name that is not UTF-8."""
    return relative.as_posix().encode("utf-8", "surrogateescape").decode("utf-8", "replace")
