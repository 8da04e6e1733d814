"""The chat log: one file a day, one JSON object a line, safe with several processes.

Sinks that follow the log use ``Naming``, ``read_lines`` and the ``FollowerState`` that they keep beside it, and
``DeadLetters`` for what they cannot deliver.
"""

from orbit.chatlog.deadletters import DeadLetter, DeadLetters
from orbit.chatlog.folder import LogFolder, has_writers
from orbit.chatlog.followers import (
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
from orbit.chatlog.lines import LineEncoder, iso
from orbit.chatlog.locks import lock, open_lock, same_file
from orbit.chatlog.naming import LogFile, Naming
from orbit.chatlog.provider import FileLog
from orbit.chatlog.reading import EarlierLine, Line, head_of, read_lines, read_lines_backwards
from orbit.chatlog.rules import Rules, read_rules
from orbit.chatlog.settings import FileLogSettings

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
