"""The files with which a sink that follows the log reports its progress to the writers.

A follower named ``x`` owns the folder ``.followers/x`` in the log's directory. While it lives, it holds the exclusive
lock on ``lock`` and regularly replaces ``state.json``. Requests to it are files in this folder, which it deletes when
they are done. Lines that it cannot deliver are there, too (``deadletters.py``). Sinks and writers share nothing else,
so this works across processes, restarts and plugins.
"""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from orbit.chatlog.naming import LogFile, Naming
from orbit.system.files import is_held

FOLDER = ".followers"
TAKEOVER = 10.0
"""Seconds after its last state in which a follower counts as alive. Followers save their state twice as often."""
REPLAY = "replay.json"
RESEND = "resend-dead-letters"
DEAD_LETTERS = Naming("dead-letter.log")


class Position(msgspec.Struct, frozen=True):
    """How much of a file was sent: offset and size in bytes, and a digest of the first line to identify the file."""

    offset: int
    head: str
    size: int = 0


class FollowerState(msgspec.Struct, frozen=True):
    """``state.json``: the follower, its status and its progress.

    ``kind`` names the field ``<kind>_status`` of each line. ``lag_seconds`` is the age of the oldest record not sent.
    ``rejected`` counts permanent rejections; ``dead_letters`` is the number of them that are kept now.
    """

    kind: str
    status: str
    detail: str = ""
    updated: float = 0.0
    positions: dict[str, Position] = {}
    lag_records: int = 0
    lag_seconds: float = 0.0
    sent: int = 0
    duplicates: int = 0
    rejected: int = 0
    dead_letters: int = 0
    lost_bytes: int = 0


def follower_folder(directory: Path, name: str) -> Path:
    """Return the folder of a follower of the log in ``directory``."""
    return directory / FOLDER / name


def make_private(folder: Path) -> None:
    """Create a folder and its missing parents, accessible to the owner only. Raises OSError."""
    if not folder.is_dir():
        make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def request_replay(folder: Path, since: float) -> None:
    """Ask a follower to send the records since a time (Unix seconds) that its target lacks. Raises OSError."""
    new = folder / f"{REPLAY}.new"
    new.write_bytes(msgspec.json.encode(since))
    new.replace(folder / REPLAY)


def requested_replay(folder: Path) -> float | None:
    """Return the time passed to ``request_replay``; None without a request.

    The follower deletes ``replay.json`` after it has saved a state that counts the records to resend, so that the
    requester can see when all are done.
    """
    try:
        return msgspec.json.decode((folder / REPLAY).read_bytes(), type=float)
    except (OSError, msgspec.DecodeError):
        return None


def request_resend(folder: Path) -> None:
    """Ask a follower to resend its dead letters. It deletes the request when it has tried each. Raises OSError."""
    (folder / RESEND).touch(mode=0o600)


def read_state(folder: Path) -> FollowerState | None:
    """Return the state in a follower's folder; None if no state is readable."""
    try:
        return msgspec.json.decode((folder / "state.json").read_bytes(), type=FollowerState)
    except (OSError, msgspec.DecodeError):
        return None


def write_state(folder: Path, state: FollowerState) -> None:
    """Replace the state atomically, so that readers never see half of it. Raises OSError."""
    make_private(folder)
    new = folder / "state.json.new"
    new.write_bytes(msgspec.json.encode(state))
    new.chmod(0o600)
    new.replace(folder / "state.json")


def living(directory: Path) -> dict[str, FollowerState]:
    """Return the running followers of the log in ``directory``, by name."""
    return {name: state for name, state in known(directory).items() if is_held(directory / FOLDER / name / "lock")}


def names(directory: Path) -> list[str]:
    """Return the names of all followers that the log in ``directory`` ever had."""
    try:
        return sorted(folder.name for folder in (directory / FOLDER).iterdir())
    except OSError:
        return []


def dead_letter_files(directory: Path) -> list[LogFile]:
    """Return the dead letter files of all followers of the log in ``directory``. Raises OSError."""
    return [file for name in names(directory) for file in DEAD_LETTERS.files(follower_folder(directory, name))]


def known(directory: Path) -> dict[str, FollowerState]:
    """Return all followers that the log in ``directory`` ever had, by name."""
    states = {name: read_state(follower_folder(directory, name)) for name in names(directory)}
    return {name: state for name, state in states.items() if state is not None}


def statuses(directory: Path, kinds: tuple[str, ...] = ("elasticsearch",)) -> dict[str, str]:
    """Return the sinks' fields of each line: ``{"elasticsearch_status": "enabled"}``; ``disabled`` if none runs.

    A killed follower keeps its last status until another process has had time to replace it.
    """
    found = dict.fromkeys((f"{kind}_status" for kind in kinds), "disabled")
    now = time.time()
    for name, state in known(directory).items():
        field = f"{state.kind}_status"
        if found.get(field) == "unavailable":
            continue
        if now - state.updated < TAKEOVER or is_held(follower_folder(directory, name) / "lock"):
            found[field] = state.status
    return found
