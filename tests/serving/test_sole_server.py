"""One data folder has one server."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from orbit.errors import ConfigError
from orbit.serving import sole_server as module
from orbit.serving.sole_server import LOCK, address_of_server, announce, sole_server

SERVER = """
import sys
from pathlib import Path
from orbit.serving.sole_server import sole_server
with sole_server(Path(sys.argv[1])):
    print("serving", flush=True)
    sys.stdin.read()
"""


def refusal(folder: Path, setting: str = "general.data_dir") -> str:
    with pytest.raises(ConfigError) as raised, sole_server(folder, setting):
        pytest.fail("a second server came in")
    (problem,) = raised.value.problems
    assert problem.path == setting
    return problem.message


def test_a_second_server_is_refused_until_the_first_dies(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SERVER, str(tmp_path / "data")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "serving\n"
        told = refusal(tmp_path / "data", "chroma.path")
        first.kill()
    assert f"process {first.pid}" in told
    assert str(tmp_path / "data") in told
    with sole_server(tmp_path / "data"):
        assert (tmp_path / "data" / LOCK).read_text() == f"{os.getpid()}\n"


def test_the_folder_is_made_for_its_owner_only(tmp_path: Path) -> None:
    with sole_server(tmp_path / "data"):
        assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_is_a_mistake_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "cannot be used: Not a directory" in refusal(tmp_path / "file" / "data")


def test_a_file_system_without_locks_only_warns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_locks(fd: int, *, wait: bool) -> bool:  # the signature of lock
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(module, "lock", no_locks)
    with sole_server(tmp_path):
        assert "cannot be locked against a second server: No locks available" in caplog.text


def test_a_server_that_does_not_start_leaves_no_folder_behind(tmp_path: Path) -> None:
    for there in (False, True):
        if there:
            (tmp_path / "data").mkdir()
        with pytest.raises(ConfigError, match="in use"), sole_server(tmp_path / "data"):
            raise ConfigError("the port is in use.")
        assert (tmp_path / "data").exists() is there
    with sole_server(tmp_path / "new"):
        (tmp_path / "new" / "orbit.db").touch()
    assert (tmp_path / "new" / "orbit.db").exists()


def test_the_address_is_for_commands_on_this_machine(tmp_path: Path) -> None:
    assert address_of_server(tmp_path) == ""
    with sole_server(tmp_path):
        announce(tmp_path, "http://127.0.0.1:3100")
        assert address_of_server(tmp_path) == "http://127.0.0.1:3100"
        assert f"process {os.getpid()}," in refusal(tmp_path)
