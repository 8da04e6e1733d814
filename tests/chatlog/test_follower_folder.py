"""What sinks that follow the chat log build on: the folder, the lock, the requests, and the example of the docs."""

import re
from pathlib import Path
from typing import Any

import pytest

import orbit.chatlog
from orbit.chatlog import DeadLetter, FollowerFolder, FollowerState
from orbit.chatlog.followers import living, request_replay, request_resend

PAGE = (Path(__file__).parents[2] / "docs" / "logging.md").read_text("utf-8")
SINKS = PAGE[PAGE.index("## Write a sink") : PAGE.index("## Tests and figures")]


@pytest.fixture
def folder(tmp_path: Path) -> FollowerFolder:
    return FollowerFolder(tmp_path, "mail")


def test_one_process_follows_and_its_state_is_seen(folder: FollowerFolder, tmp_path: Path) -> None:
    lock = folder.take()
    assert lock is not None
    assert folder.take() is None
    assert folder.read_state() is None
    state = FollowerState("mail", "enabled", sent=3)
    folder.write_state(state)
    assert folder.read_state() == state
    assert living(tmp_path) == {"mail": state}
    assert {path.stat().st_mode & 0o777 for path in folder.path.iterdir()} == {0o600}
    lock.close()
    assert living(tmp_path) == {}


def test_a_lock_whose_file_is_gone_says_so(folder: FollowerFolder) -> None:
    lock = folder.take()
    assert lock is not None
    assert lock.is_there()
    (folder.path / "lock").unlink()
    assert not lock.is_there()
    lock.close()


def test_requests_of_operators_come_and_go(folder: FollowerFolder) -> None:
    lock = folder.take()
    assert (folder.replay_since(), folder.wants_dead_letters()) == (None, False)
    request_replay(folder.path, 12.5)
    request_resend(folder.path)
    assert (folder.replay_since(), folder.wants_dead_letters()) == (12.5, True)
    folder.end_replay()
    folder.end_dead_letters()
    assert (folder.replay_since(), folder.wants_dead_letters()) == (None, False)
    assert lock is not None
    lock.close()


def test_dead_letters_keep_the_line_and_the_reason(folder: FollowerFolder) -> None:
    lock = folder.take()
    letters = folder.dead_letters()
    letters.add([DeadLetter.of(b'{"query":"\xff"}', "chat-2025-01-31.log", 14, "no mailbox", 550, "m1")])
    (kept,) = letters.last(9)
    letters.close()
    assert (kept.line, kept.file, kept.end) == ('{"query":"\ufffd"}', "chat-2025-01-31.log", 14)
    assert (kept.reason, kept.status, kept.id) == ("no mailbox", 550, "m1")
    assert lock is not None
    lock.close()


def test_the_example_sends_each_line_once(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```$", SINKS, re.MULTILINE | re.DOTALL)
    scope: dict[str, object] = {}
    exec(example, scope)  # the documentation's own code
    send_new: Any = scope["send_new"]
    sent: list[Any] = []
    assert callable(send_new)
    log = tmp_path / "chat.log"
    (tmp_path / "chat-2025-01-31.log").write_bytes(b"one\ntwo\n")
    (tmp_path / "chat-2025-02-01.log").write_bytes(b"three\nhal")
    assert send_new(log, "mail", sent.append)
    with (tmp_path / "chat-2025-02-01.log").open("ab") as file:
        file.write(b"f\n")
    assert send_new(log, "mail", sent.append)
    assert sent == [b"one", b"two", b"three", b"half"]
    lock = FollowerFolder(tmp_path, "mail").take()
    assert not send_new(log, "mail", sent.append)
    assert lock is not None
    lock.close()


@pytest.mark.parametrize("name", orbit.chatlog.__all__)
def test_the_page_names_what_is_public(name: str) -> None:
    assert re.search(rf"`{name}\b", SINKS)
    assert getattr(orbit.chatlog, name).__doc__
