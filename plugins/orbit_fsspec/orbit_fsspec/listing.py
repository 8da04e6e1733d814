"""Lists all files below a folder, and fails if any folder cannot be listed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from fnmatch import translate
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

import msgspec

from orbit_fsspec.filesystems import Place

_VERSIONS = ("ETag", "etag", "e_tag", "md5", "Content-MD5", "mtime", "LastModified", "last_modified", "modified")
"""What file systems call something that changes with the content, the surest first."""
_DEEPEST = 50
"""Folders within folders; a file system that links to itself has more."""


class Listed(msgspec.Struct, frozen=True):
    """A file that was found."""

    path: str
    """Its path in the file system."""
    name: str
    """Its path below the root."""
    size: int | None
    version: str
    problem: str = ""


class Patterns:
    """Selects files by ``include`` and ``exclude``."""

    def __init__(self, include: Sequence[str], exclude: Sequence[str], *, hidden: bool) -> None:
        self._include = [_compiled(pattern) for pattern in include]
        self._exclude = [_compiled(pattern) for pattern in exclude]
        self._hidden = hidden

    def enters(self, name: str) -> bool:
        """Return whether a folder may hold files to fetch."""
        return self._shown(name) and not any(pattern.match(f"{name}/") for pattern in self._exclude)

    def takes(self, name: str) -> bool:
        """Return whether to fetch a file."""
        if not self._shown(name) or any(pattern.match(name) for pattern in self._exclude):
            return False
        return not self._include or any(pattern.match(name) for pattern in self._include)

    def _shown(self, name: str) -> bool:
        return self._hidden or not PurePosixPath(name).name.startswith(".")


def files_below(place: Place, patterns: Patterns) -> Iterator[Listed]:
    """Yield the files below the root, sorted within each folder. Blocks; raises whatever the library raises.

    fsspec's own ``find`` leaves out folders that it cannot list; their files would then count as deleted.
    """
    root = place.root.rstrip("/")
    waiting: list[tuple[str, int]] = [(place.root, 0)]
    seen: set[str] = set()
    while waiting:
        folder, depth = waiting.pop()
        if folder.rstrip("/") in seen:
            continue
        seen.add(folder.rstrip("/"))
        if depth > _DEEPEST:
            raise RecursionError(f"folders are nested more than {_DEEPEST} deep at {folder}")
        entries = place.files.ls(folder, detail=True)
        for entry in sorted(entries, key=lambda entry: str(entry["name"])):
            path = str(entry["name"])
            name = path.removeprefix(root).strip("/")
            name = unquote(name) if "://" in root else name
            if not path.startswith(root) or not name or path.rstrip("/") == folder.rstrip("/"):
                continue  # the folder itself, or a link out of it
            if entry["type"] == "directory":
                if patterns.enters(name) and not entry.get("islink"):
                    waiting.append((path, depth + 1))
            elif patterns.takes(name):
                yield _listed(place, path, name, entry)


def _listed(place: Place, path: str, name: str, entry: dict[str, Any]) -> Listed:
    problem = "is a link, and links are not followed" if entry.get("islink") else ""
    if entry["type"] == "other":  # a pipe or a device, which may never end
        problem = problem or "is not a file"
    version = _version(entry)
    if not version and not problem:
        entry = place.files.info(path)
        version = _version(entry)
    return Listed(path, name, entry.get("size"), version, problem)


def _version(entry: dict[str, Any]) -> str:
    facts = [str(entry[key]) for key in _VERSIONS if entry.get(key)]
    return hashlib.sha256(f"{facts[0]}:{entry.get('size')}".encode()).hexdigest()[:32] if facts else ""


def _compiled(pattern: str) -> re.Pattern[str]:
    """Compile a pattern; ``*`` stays within a folder, ``**`` and a pattern without a slash do not."""
    if "/" not in pattern:
        return re.compile(rf"(?:.*/)?(?:{translate(pattern)})")
    parts = re.split(r"(\*\*/?|\*|\?)", pattern.strip("/"))
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(words.get(part, re.escape(part)) for part in parts) + r"\Z", re.DOTALL)
