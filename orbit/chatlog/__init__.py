"""The chat log: one file per day, one JSON object per line, safe with several processes.

Sinks that follow the log use the public names in ``__all__``. See docs/logging.md.
"""

from orbit.chatlog.deadletters import DeadLetter, DeadLetters
from orbit.chatlog.folder import has_writers
from orbit.chatlog.follower_folder import FollowerFolder, FollowerLock
from orbit.chatlog.followers import FollowerState, Position
from orbit.chatlog.naming import LogFile, Naming
from orbit.chatlog.provider import FileLog as FileLog  # the entry point ``files``
from orbit.chatlog.reading import head_of, read_lines

__all__ = [
    "DeadLetter",
    "DeadLetters",
    "FollowerFolder",
    "FollowerLock",
    "FollowerState",
    "LogFile",
    "Naming",
    "Position",
    "has_writers",
    "head_of",
    "read_lines",
]
