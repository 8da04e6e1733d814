"""What Elasticsearch refuses for good, kept with the reason."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from orbit_es.documents import Entry


class DeadLetter(NamedTuple):
    """A line that cannot be stored, and why. ``status`` is Elasticsearch's, 0 if it was never sent."""

    entry: Entry
    id: str
    status: int
    reason: str


def keep(path: Path, letters: Sequence[DeadLetter]) -> None:
    """Append letters to a file, one JSON object a line; ``line`` in it is the whole line as text. Raises OSError."""
    if not letters:
        return
    now = datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="milliseconds")
    data = b"".join(
        msgspec.json.encode(
            {
                "time": now,
                "file": letter.entry.file,
                "end": letter.entry.end,
                "id": letter.id,
                "status": letter.status,
                "reason": letter.reason,
                "line": letter.entry.line.decode("utf-8", "replace"),
            }
        )
        + b"\n"
        for letter in letters
    )
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
