"""The most recent chat turns, read from the chat log."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from orbit.chatlog import Naming
from orbit.chatlog.reading import read_lines_backwards
from orbit.chatlog.searching import Filter, Found

PATIENCE = 2.0
"""Seconds to search old files before returning what was found, with a position to continue from."""

_DIGITS = 18


class ChatPage(msgspec.Struct, frozen=True):
    """Chat turns, newest first. ``before`` is the position of older ones; empty if there are none.

    ``kept`` is false if there is no chat log.
    """

    chats: list[Found]
    before: str = ""
    kept: bool = True


class RecentChats:
    """Reads a chat log from its end."""

    def __init__(self, directory: Path, naming: Naming, patience: float = PATIENCE) -> None:
        self._directory = directory
        self._naming = naming
        self._patience = patience
        self._decoder = msgspec.json.Decoder(Found)

    def page(self, wanted: Filter, before: str, limit: int) -> ChatPage:
        """Return at most ``limit`` chat turns older than the position ``before``. Blocks. Raises OSError."""
        until = time.monotonic() + self._patience
        found: list[Found] = []
        for place, line in self._lines(before):
            with contextlib.suppress(msgspec.DecodeError, RecursionError):
                chat = self._decoder.decode(line)
                if wanted.wants(chat):
                    found.append(chat)
            if len(found) == limit or time.monotonic() > until:
                return ChatPage(found, place)
        return ChatPage(found)

    def _lines(self, before: str) -> Iterator[tuple[str, bytes]]:
        """Yield every line with its position, newest first."""
        name, _, offset = before.rpartition(":")
        last = self._naming.parse(Path(name))
        for file in reversed(self._naming.files(self._directory)):
            if last is not None and (file.day, file.number) > (last.day, last.number):
                continue
            end = int(offset[:_DIGITS]) if file.path.name == name and offset.isdecimal() else None
            for line in read_lines_backwards(file.path, end):
                yield f"{file.path.name}:{line.start}", line.data
