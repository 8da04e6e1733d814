"""The chat log: one file a day, one JSON object a line, safe with several processes.

Sinks that follow the log use ``Naming``, ``read_lines`` and the ``FollowerState`` that they keep beside it, and
``DeadLetters`` for what they cannot deliver.
"""

from orbit.builtin.files.deadletters import DeadLetter, DeadLetters
from orbit.builtin.files.folder import LogFolder, has_writers
from orbit.builtin.files.followers import (
    REPLAY,
    RESEND,
    FollowerState,
    Position,
    follower_folder,
    living,
    make_private,
    read_state,
    request_replay,
    request_resend,
    requested_replay,
    write_state,
)
from orbit.builtin.files.lines import LineEncoder, iso
from orbit.builtin.files.locks import lock, open_lock, same_file
from orbit.builtin.files.naming import LogFile, Naming
from orbit.builtin.files.provider import FileLog
from orbit.builtin.files.reading import EarlierLine, Line, head_of, read_lines, read_lines_backwards
from orbit.builtin.files.rules import Rules, read_rules
from orbit.builtin.files.settings import FileLogSettings

__all__ = [
    "REPLAY",
    "RESEND",
    "DeadLetter",
    "DeadLetters",
    "EarlierLine",
    "FileLog",
    "FileLogSettings",
    "FollowerState",
    "Line",
    "LineEncoder",
    "LogFile",
    "LogFolder",
    "Naming",
    "Position",
    "Rules",
    "follower_folder",
    "has_writers",
    "head_of",
    "iso",
    "living",
    "lock",
    "make_private",
    "open_lock",
    "read_lines",
    "read_lines_backwards",
    "read_rules",
    "read_state",
    "request_replay",
    "request_resend",
    "requested_replay",
    "same_file",
    "write_state",
]
