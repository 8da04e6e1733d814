"""Which files there are to read below some paths."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from orbit.documents.sections import UnreadableError
from orbit.errors import OrbitError


class LocalFile(msgspec.Struct, frozen=True):
    """A file and the name it is stored under: its path relative to the folder that was given.

    ``within`` is that folder, with all links resolved; a file outside of it is not read. ``problem`` is set for an
    entry that cannot be read at all.
    """

    path: Path
    source: str
    within: Path | None = None
    problem: str = ""

    def load(self, limit: int) -> bytes:
        """The content. Raises UnreadableError if there is more than ``limit`` bytes, or none can be had."""
        if self.problem:
            raise UnreadableError(self.problem)
        try:
            with self._open() as file:
                before = os.fstat(file.fileno())
                content = file.read(limit + 1)
                after = os.fstat(file.fileno())
        except OSError as error:
            raise UnreadableError(f"cannot be read: {error.strerror or error}") from error
        if len(content) > limit:
            raise UnreadableError(f"is larger than {limit:,} bytes (ingest.max_file_bytes)")
        if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
            raise UnreadableError("changed while it was read; ingest it again")
        return content

    def _open(self) -> BinaryIO:
        """Open a regular file. Opening a pipe would wait for a writer, and opening a device may set it off."""
        path = self.path
        if self.within is not None:  # resolved now, as somebody may have put a link here since the folder was listed
            path = _resolved(path)
            if not path.is_relative_to(self.within):
                raise UnreadableError(_LEAVES)
        if not stat.S_ISREG(path.stat().st_mode):
            raise UnreadableError(_NO_FILE)
        follow = 0 if self.within is None else os.O_NOFOLLOW
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | follow)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise UnreadableError(_NO_FILE)
        return os.fdopen(descriptor, "rb")


_NO_FILE = "is not a file"
_LEAVES = "is a link that leads out of the folder, so it was not followed"


def find_files(paths: Iterable[Path]) -> list[LocalFile]:
    """All files in the given paths, sorted by name within each.

    Hidden files and folders are passed over. A link is followed to a file in the same folder that is not read anyway;
    one that leads out of the folder gets a ``problem``, and so does whatever is neither file nor folder. What is given
    itself is taken whatever its name. Raises OrbitError for a path that does not exist.
    """
    found: dict[Path, LocalFile] = {}
    for path in paths:
        if path.is_dir():
            for file in _files_of(path):
                found.setdefault(file.path, file)
        elif path.exists():
            found.setdefault(path, LocalFile(path, _name(Path(path.name))))
        else:
            raise OrbitError(f"There is no file or folder '{path}'.")
    return list(found.values())


def _files_of(folder: Path) -> list[LocalFile]:
    root = folder.resolve()
    files: list[LocalFile] = []
    links: list[Path] = []
    for path, problem in _walk(folder):
        if path.is_symlink():
            links.append(path)
        else:
            files.append(LocalFile(path, _name(path.relative_to(folder)), root, problem))
    known = {root / file.path.relative_to(folder) for file in files}
    for link in links:
        target, problem = _follow(link, root)
        if problem or not (target in known or target.is_dir()):
            files.append(LocalFile(link, _name(link.relative_to(folder)), root, problem))
            known.add(target)
    return sorted(files, key=lambda file: file.path.relative_to(folder).parts)


def _walk(folder: Path) -> Iterator[tuple[Path, str]]:
    """Entries that are no folders, each with what keeps it from being read; and folders that cannot be listed."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield folder, f"cannot be read: {error.strerror or error}"
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path))
        else:
            regular = entry.is_symlink() or entry.is_file(follow_symlinks=False)
            yield Path(entry.path), "" if regular else _NO_FILE


def _follow(link: Path, root: Path) -> tuple[Path, str]:
    """Where a link leads, and what keeps that from being read."""
    try:
        target = _resolved(link)
    except OSError as error:
        return link, f"cannot be read: {error.strerror or error}"
    return target, "" if target.is_relative_to(root) else _LEAVES


def _resolved(path: Path) -> Path:
    """The path without links. Raises OSError."""
    return Path(os.path.realpath(path, strict=True))


def _name(relative: Path) -> str:
    """With ``/`` on every system, and without the bytes of a name that is not UTF-8."""
    return relative.as_posix().encode("utf-8", "surrogateescape").decode("utf-8", "replace")
