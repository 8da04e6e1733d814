"""Finds the files to read below given paths."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from orbit.documents.sections import UnreadableError
from orbit.errors import OrbitError
from orbit.system.files import open_source


class LocalFile(msgspec.Struct, frozen=True):
    """A file and its source name: its path relative to the given folder.

    ``within`` is that folder, with all links resolved; ``load`` reads no file outside it. ``problem`` is set for an
    entry that cannot be read at all, and ``unlisted`` if it is a folder: nobody knows which files it holds.
    """

    path: Path
    source: str
    within: Path | None = None
    problem: str = ""
    unlisted: bool = False
    temporary: bool = False
    """Whether it is deleted after the ingestion, like an upload."""

    def load(self, limit: int) -> bytes:
        """Return the content. Raises UnreadableError if it exceeds ``limit`` bytes or cannot be read."""
        if self.problem:
            raise UnreadableError(self.problem)
        try:
            with self.open() as file:
                before = os.fstat(file.fileno())
                content = file.read(limit + 1)
                after = os.fstat(file.fileno())
        except OSError as error:
            passing = not isinstance(error, PermissionError | FileNotFoundError) and error.errno != errno.ELOOP
            raise UnreadableError(f"cannot be read: {error.strerror or error}", passing=passing) from error
        if len(content) > limit:
            raise UnreadableError(f"is larger than {limit:,} bytes (ingest.max_file_bytes)")
        if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
            raise UnreadableError("changed while it was read; ingest it again")
        return content

    def open(self) -> BinaryIO:
        """Open the file. Raises OSError, or UnreadableError if it is no regular file or leads out of its folder."""
        path = self.path
        if self.within is not None:
            path = _resolved(path)  # now: someone may have replaced a file by a link since the folder was listed
            if not path.is_relative_to(self.within):
                raise UnreadableError(_LEAVES)
        # Opening a pipe would block, and opening a device may have side effects.
        if not stat.S_ISREG(path.stat().st_mode):
            raise UnreadableError(_NO_FILE)
        descriptor = open_source(path, follow=self.within is None)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise UnreadableError(_NO_FILE)
        return os.fdopen(descriptor, "rb")


_NO_FILE = "is not a file"
_LEAVES = "is a link that leads out of the folder, so it was not followed"


def find_files(paths: Iterable[Path]) -> list[LocalFile]:
    """Return all files in the given paths, sorted by name within each.

    Hidden files and folders are skipped, but a given path counts whatever its name. A link is followed to a file in the
    same folder that would not be read otherwise. A link that leads out of the folder gets a ``problem``, and so does
    anything that is neither file nor folder. Raises OrbitError for a path that does not exist.
    """
    found: dict[Path, LocalFile] = {}
    for path in paths:
        if path.is_dir():
            for file in _files_of(path):
                found.setdefault(file.path, file)
        elif path.exists():
            found.setdefault(path, LocalFile(path, _name(Path(path.name))))
        else:
            raise OrbitError(f"The file or folder '{path}' does not exist.")
    return list(found.values())


def _files_of(folder: Path) -> list[LocalFile]:
    root = folder.resolve()
    files: list[LocalFile] = []
    links: list[Path] = []
    for path, problem, unlisted in _walk(folder):
        if path.is_symlink() and not unlisted:
            links.append(path)
        else:
            files.append(LocalFile(path, _name(path.relative_to(folder)), root, problem, unlisted))
    known = {root / file.path.relative_to(folder) for file in files}
    for link in links:
        target, problem = _follow(link, root)
        if problem or not (target in known or target.is_dir()):
            files.append(LocalFile(link, _name(link.relative_to(folder)), root, problem))
            known.add(target)
    return sorted(files, key=lambda file: file.path.relative_to(folder).parts)


def _walk(folder: Path) -> Iterator[tuple[Path, str, bool]]:
    """Yield entries other than folders, each with its problem, if any, and folders that cannot be listed (True)."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield folder, f"cannot be read: {error.strerror or error}", True
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path))
        else:
            regular = entry.is_symlink() or entry.is_file(follow_symlinks=False)
            yield Path(entry.path), "" if regular else _NO_FILE, False


def _follow(link: Path, root: Path) -> tuple[Path, str]:
    """Return the target of a link and why it cannot be read; empty if it can."""
    try:
        target = _resolved(link)
    except OSError as error:
        return link, f"cannot be read: {error.strerror or error}"
    return target, "" if target.is_relative_to(root) else _LEAVES


def _resolved(path: Path) -> Path:
    """Return the path with links resolved. Raises OSError."""
    return Path(os.path.realpath(path, strict=True))


def _name(relative: Path) -> str:
    """Return the path with ``/`` on every system, and without bytes that are not UTF-8."""
    return relative.as_posix().encode("utf-8", "surrogateescape").decode("utf-8", "replace")
