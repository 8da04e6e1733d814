"""The archive of ``orbit backup``: a compressed tar file of the configuration, the data folder and the databases."""

from __future__ import annotations

import contextlib
import io
import os
import sqlite3
import tarfile
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath

import msgspec

from orbit.errors import OrbitError
from orbit.system.files import lock

MANIFEST = "orbit-backup.json"
FORM = 1
_SQLITE = b"SQLite format 3\0"
_WRITES = "orbit-writes"
"""Writers of an embedded store hold the lock on this file in its folder."""
_SKIPPED_NAMES = frozenset({"server.lock", "admin-attempts", "metrics"})
_SKIPPED_ENDS = ("-wal", "-shm", "-journal", "-changes")
"""What belongs to running processes: locks, signals, and parts of SQLite files that a copy does not need."""


class ArchiveError(OrbitError):
    """An archive cannot be written or read."""


class Manifest(msgspec.Struct):
    """What an archive holds: the part of each root, such as ``data``, and where it was."""

    form: int
    orbit: str
    created_at: float
    roots: dict[str, str]
    mongodb: bool = False


def write_archive(file: Path, manifest: Manifest, roots: Mapping[str, Path], without: Collection[Path] = ()) -> int:
    """Write the files of each root, under its name, for the owner only; return how many.

    Folders of ``without`` are left out.
    SQLite files are copied by SQLite, and embedded stores while nobody writes to them, so that each copy is consistent
    while a server runs. Raises ArchiveError if the file exists or cannot be written.
    """
    part = file.with_name(f".{file.name}.part")
    try:
        if file.exists():
            raise ArchiveError(f"{file} exists already; name another file.")
        if not file.parent.is_dir():
            raise ArchiveError(f"there is no folder {file.parent} for the backup; make it first.")
        count = 0
        with contextlib.suppress(FileNotFoundError):
            part.unlink()
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            with tarfile.open(fileobj=stream, mode="w:gz", compresslevel=5) as archive:
                text = msgspec.json.encode(manifest)
                _add(archive, MANIFEST, io.BytesIO(text), len(text), time.time())
                for name, root in roots.items():
                    count += _add_root(archive, name, root, part, without)
            stream.flush()
            os.fsync(stream.fileno())
        part.rename(file)
    except (OSError, sqlite3.Error) as error:
        raise ArchiveError(f"the backup {file} cannot be written: {error}") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
    return count


def _add_root(archive: tarfile.TarFile, name: str, root: Path, part: Path, without: Collection[Path] = ()) -> int:
    if root.is_file():
        _add_file(archive, name, root)
        return 1
    count = 0
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(one for one in folders if one not in _SKIPPED_NAMES)
        where = Path(folder)
        folders[:] = [one for one in folders if (where / one).absolute() not in without]
        with _quiet(where, files):
            for entry in sorted(files):
                path = where / entry
                skipped = entry in _SKIPPED_NAMES or entry.endswith(_SKIPPED_ENDS) or entry.startswith(".admin-token-")
                if skipped or not path.is_file() or path.samefile(part):
                    continue
                with contextlib.suppress(FileNotFoundError):  # a running process has removed it
                    _add_file(archive, f"{name}/{path.relative_to(root).as_posix()}", path)
                    count += 1
            if _WRITES in files:  # its folders belong to it
                for below in list(folders):
                    count += _add_root(
                        archive, f"{name}/{(where / below).relative_to(root).as_posix()}", where / below, part
                    )
                folders.clear()
    return count


@contextlib.contextmanager
def _quiet(folder: Path, files: list[str]) -> Iterator[None]:
    """Wait for the writer of an embedded store, and keep others waiting meanwhile."""
    if _WRITES not in files:
        yield
        return
    with (folder / _WRITES).open("ab") as marks:
        lock(marks.fileno())
        yield


def _add_file(archive: tarfile.TarFile, name: str, path: Path) -> None:
    with path.open("rb") as file:
        if file.read(len(_SQLITE)) != _SQLITE:
            file.seek(0)
            _add_open(archive, name, file)
            return
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".orbit-backup-") as folder:
        copy = Path(folder) / "copy"
        with (
            contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as source,
            contextlib.closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
        with copy.open("rb") as file:
            _add_open(archive, name, file)


def _add_open(archive: tarfile.TarFile, name: str, file: io.BufferedIOBase) -> None:
    status = os.fstat(file.fileno())
    _add(archive, name, file, status.st_size, status.st_mtime)


def _add(archive: tarfile.TarFile, name: str, file: io.BufferedIOBase, size: int, mtime: float) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = size, int(mtime), 0o600
    archive.addfile(info, file)


def read_manifest(file: Path) -> Manifest:
    """Return what an archive holds. Raises ArchiveError if it is none."""
    try:
        with tarfile.open(file, "r:gz") as archive:
            member = archive.next()
            stream = archive.extractfile(member) if member is not None and member.name == MANIFEST else None
            if stream is None:
                raise ArchiveError(f"{file} is no backup of ORBIT.")
            manifest = msgspec.json.decode(stream.read(1_000_000), type=Manifest)
    except (OSError, EOFError, tarfile.TarError, msgspec.MsgspecError) as error:
        raise ArchiveError(f"{file} is no backup of ORBIT: {error}") from error
    if manifest.form != FORM:
        raise ArchiveError(f"{file} was written by ORBIT {manifest.orbit} in a newer form; upgrade first.")
    return manifest


def extract(file: Path, root: str, target: Path) -> int:
    """Write the files of one root below ``target``, for the owner only; return how many. Raises ArchiveError."""
    count = 0
    try:
        with tarfile.open(file, "r:gz") as archive:
            for member in archive:
                path = PurePosixPath(member.name)
                if path.parts[:1] != (root,) or not member.isfile():
                    continue
                if path.is_absolute() or ".." in path.parts:
                    raise ArchiveError(f"{file} names a file outside of itself: {member.name}")
                place = target.joinpath(*path.parts[1:])
                place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                stream = archive.extractfile(member)
                assert stream is not None
                with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                    while data := stream.read(1 << 20):
                        out.write(data)
                count += 1
    except (OSError, EOFError, tarfile.TarError) as error:
        raise ArchiveError(f"{file} cannot be restored: {error}") from error
    return count
