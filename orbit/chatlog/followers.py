"""What a sink that follows the log leaves beside it, so that writers know how far it has come.

A follower named ``x`` owns the folder ``.followers/x`` in the log's directory: it holds the exclusive lock of ``lock``
as long as it lives, and replaces ``state.json`` as it goes on. What it is asked to do lies there as a file until it is
done, and so do lines that it cannot deliver (``deadletters.py``). Nothing else is shared between sinks and writers, so
it works across processes, restarts and plugins.
"""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from orbit.chatlog.locks import is_held
from orbit.chatlog.naming import LogFile, Naming

FOLDER = ".followers"
TAKEOVER = 10.0
"""Seconds after its last sign of life in which a follower counts as living: states are saved twice as often."""
REPLAY = "replay.json"
RESEND = "resend-dead-letters"
DEAD_LETTERS = Naming("dead-letter.log")


class Position(msgspec.Struct, frozen=True):
    """How far a file was sent: bytes from its start, of how many, and a digest of its first line to know it by."""

    offset: int
    head: str
    size: int = 0


class FollowerState(msgspec.Struct, frozen=True):
    """``state.json``: who follows, how it fares, and how far it has come.

    ``kind`` names the field ``<kind>_status`` of each line. ``lag_seconds`` is the age of the oldest record not sent.
    ``rejected`` counts refusals for good; ``dead_letters`` is how many of them are kept now.
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
    """The folder of a follower of the log in ``directory``."""
    return directory / FOLDER / name


def make_private(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for their owner only. Raises OSError."""
    if not folder.is_dir():
        make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def request_replay(folder: Path, since: float) -> None:
    """Ask a follower to send again what is missing of the records made since then (Unix seconds). Raises OSError."""
    new = folder / f"{REPLAY}.new"
    new.write_bytes(msgspec.json.encode(since))
    new.replace(folder / REPLAY)


def requested_replay(folder: Path) -> float | None:
    """What was asked with ``request_replay``; None if nothing was. The follower then deletes ``replay.json``.

    It first saves a state that counts the records to send again, so that who asked can see when all is done.
    """
    try:
        return msgspec.json.decode((folder / REPLAY).read_bytes(), type=float)
    except (OSError, msgspec.DecodeError):
        return None


def request_resend(folder: Path) -> None:
    """Ask a follower to send its dead letters again. It deletes the file when it has tried each. Raises OSError."""
    (folder / RESEND).touch(mode=0o600)


def read_state(folder: Path) -> FollowerState | None:
    """The state in a follower's folder; None if there is none that can be read."""
    try:
        return msgspec.json.decode((folder / "state.json").read_bytes(), type=FollowerState)
    except (OSError, msgspec.DecodeError):
        return None


def write_state(folder: Path, state: FollowerState) -> None:
    """Replace the state at once, so that no reader sees half of it. Raises OSError."""
    make_private(folder)
    new = folder / "state.json.new"
    new.write_bytes(msgspec.json.encode(state))
    new.chmod(0o600)
    new.replace(folder / "state.json")


def living(directory: Path) -> dict[str, FollowerState]:
    """The followers of the log in ``directory`` that are running now, by name."""
    return {name: state for name, state in known(directory).items() if is_held(directory / FOLDER / name / "lock")}


def names(directory: Path) -> list[str]:
    """Everybody who ever followed the log in ``directory``."""
    try:
        return sorted(folder.name for folder in (directory / FOLDER).iterdir())
    except OSError:
        return []


def dead_letter_files(directory: Path) -> list[LogFile]:
    """The files of dead letters of all followers of the log in ``directory``. Raises OSError."""
    return [file for name in names(directory) for file in DEAD_LETTERS.files(follower_folder(directory, name))]


def known(directory: Path) -> dict[str, FollowerState]:
    """All followers that the log in ``directory`` ever had, by name."""
    states = {name: read_state(follower_folder(directory, name)) for name in names(directory)}
    return {name: state for name, state in states.items() if state is not None}


def statuses(directory: Path, kinds: tuple[str, ...] = ("elasticsearch",)) -> dict[str, str]:
    """``{"elasticsearch_status": "enabled"}``: what each line says of the sinks; ``disabled`` where none runs.

    A follower that was killed is said to fare as it did, until another process has had time to take its place.
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
