"""The fake clock, where the host itself takes one: the chat log's days change, and old files go."""

from collections import deque
from datetime import UTC, datetime
from pathlib import Path

from orbit.chatlog import Naming
from orbit.chatlog.folder import LogFolder
from orbit.testing import Clock

DAY = 86_400.0


def test_it_stands_until_it_is_moved() -> None:
    clock = Clock(5.0)
    assert (clock(), clock()) == (5.0, 5.0)
    clock.advance(2.5)
    assert clock() == 7.5


def test_the_days_of_the_chat_log(tmp_path: Path) -> None:
    clock = Clock(datetime(2027, 1, 31, 23, 59, 59, tzinfo=UTC).timestamp())
    naming = Naming("chat.log")
    folder = LogFolder(tmp_path, naming, clock=clock)
    folder.append(deque([b"before midnight\n"]))
    clock.advance(2)
    folder.append(deque([b"after midnight\n"]))
    kept = {file.path.name: file.path.read_bytes() for file in naming.files(tmp_path)}
    assert kept == {"chat-2027-01-31.log": b"before midnight\n", "chat-2027-02-01.log": b"after midnight\n"}
    assert folder.expire(7) == []
    clock.advance(6 * DAY)
    assert [path.name for path in folder.expire(7)] == ["chat-2027-01-31.log"]
    folder.close()
