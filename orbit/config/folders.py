"""Checks that the server's user can write its files and folders."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from orbit.errors import Problem
from orbit.system.files import longest_name

_NO_NAME = "its name cannot be used"


def under_data(name: str, data_dir: Path, in_use: Callable[[Path], bool] = Path.exists) -> Path:
    """Return the absolute path that a setting names; a relative one starts at the data folder.

    Until version 0.2 it started at the working directory. What is in use there stays there.
    """
    given = Path(name).expanduser()
    if given.is_absolute() or in_use(given):
        return given.absolute()
    return (data_dir / given).absolute()


def folder_problems(setting: str, folder: Path) -> list[Problem]:
    """Return the problems of creating a folder, or files in it."""
    reason = _unusable(folder)
    return [Problem(setting, f"the folder {folder} cannot be used: {reason}.")] if reason else []


def file_problems(setting: str, file: Path) -> list[Problem]:
    """Return the problems of creating or writing a file, its folder included."""
    reason = ""
    try:
        if "\0" in file.name:
            reason = _NO_NAME
        elif file.is_dir():
            reason = "this is a folder"
        elif file.exists():
            reason = "" if os.access(file, os.R_OK | os.W_OK) else "it is not writable"
        else:
            reason = _unusable(file.parent)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or _NO_NAME
    return [Problem(setting, f"the file {file} cannot be used: {reason}.")] if reason else []


def _unusable(folder: Path) -> str:
    """Probe by writing, where the folder is or would be: permissions and file system type do not tell for certain."""
    try:
        there = next(path for path in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(path))
        if "\0" in str(folder):
            return _NO_NAME
        if not there.is_dir():
            return f"{there} is not a folder"
        if any(len(os.fsencode(part)) > longest_name(there) for part in folder.parts):
            return "a part of its name is too long"
        if not os.access(there, os.W_OK | os.X_OK):
            return f"{there} is not writable"
        with tempfile.TemporaryFile(dir=there):
            return ""
    except (OSError, ValueError) as error:
        return (getattr(error, "strerror", None) or _NO_NAME).lower()
