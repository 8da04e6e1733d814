"""Remembers the links of pages: a page that has not changed comes without its text, and so without its links."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec


class Known(msgspec.Struct, frozen=True):
    """A page as it was when its version was seen."""

    version: str
    name: str
    links: tuple[str, ...] = ()


class Memory:
    """A file in ``general.data_dir``. Losing it costs only that all pages are fetched again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self.pages = msgspec.json.decode(path.read_bytes(), type=dict[str, Known])
        except (OSError, msgspec.DecodeError):
            self.pages = {}

    def keep(self, pages: dict[str, Known]) -> None:
        """Remember these pages and no others. Raises OSError."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = self._path.with_suffix(f".{os.getpid()}")
        temporary.write_bytes(msgspec.json.encode(pages))
        temporary.replace(self._path)
