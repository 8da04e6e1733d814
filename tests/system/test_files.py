"""`orbit.system.files`: what the files that several processes share rely on."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orbit.system.files import (
    is_held,
    lock,
    longest_name,
    open_private,
    open_source,
    read_at,
    same_file,
    unlock,
    write_at,
)

HOLDER = """
import sys
from pathlib import Path
from orbit.system.files import lock, open_private
assert lock(open_private(Path(sys.argv[1])), shared=bool(int(sys.argv[2])))
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def another_process_holds(path: Path, *, shared: bool = False) -> Iterator[None]:
    command = [sys.executable, "-c", HOLDER, str(path), str(int(shared))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield
        process.kill()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shared"


@pytest.fixture
def fd(path: Path) -> Iterator[int]:
    descriptor = open_private(path)
    yield descriptor
    os.close(descriptor)


def test_a_new_file_is_its_owners_alone(path: Path, fd: int) -> None:
    assert fd >= 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_no_child_inherits_the_file(fd: int) -> None:
    assert not os.get_inheritable(fd)


def test_an_existing_file_keeps_its_content(path: Path) -> None:
    path.write_bytes(b"kept")
    descriptor = open_private(path)
    try:
        assert read_at(descriptor, 10, 0) == b"kept"
    finally:
        os.close(descriptor)


def test_positions_are_absolute(fd: int) -> None:
    assert write_at(fd, b"hello world", 0) == 11
    assert write_at(fd, b"W", 6) == 1
    assert read_at(fd, 5, 6) == b"World"
    assert read_at(fd, 5, 0) == b"hello"
    assert read_at(fd, 5, 100) == b""


def test_a_lock_keeps_other_processes_out_until_its_holder_dies(path: Path, fd: int) -> None:
    with another_process_holds(path):
        assert not lock(fd, wait=False)
        assert not lock(fd, shared=True, wait=False)
        assert is_held(path)
    assert lock(fd, wait=False)


def test_shared_locks_exclude_only_exclusive_ones(path: Path, fd: int) -> None:
    with another_process_holds(path, shared=True):
        assert lock(fd, shared=True, wait=False)
        unlock(fd)
        assert not lock(fd, wait=False)
        assert not is_held(path)


def test_unlocking_lets_others_in(path: Path, fd: int) -> None:
    assert lock(fd)
    assert is_held(path)
    unlock(fd)
    assert not is_held(path)


def test_a_missing_file_is_held_by_nobody(path: Path) -> None:
    assert not is_held(path)
    assert not path.exists()


def test_a_replaced_file_is_another(path: Path, fd: int) -> None:
    assert same_file(fd, path)
    path.rename(path.with_name("moved"))
    assert not same_file(fd, path)
    path.touch()
    assert not same_file(fd, path)


def test_a_source_may_not_be_a_link_unless_followed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"text")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "file")
    with pytest.raises(OSError, match="symbolic links"):
        open_source(link, follow=False)
    descriptor = open_source(link, follow=True)
    try:
        assert os.read(descriptor, 10) == b"text"
    finally:
        os.close(descriptor)


def test_opening_a_pipe_does_not_wait_for_its_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    os.close(open_source(tmp_path / "pipe", follow=True))


def test_a_file_may_have_the_longest_name_and_no_longer(tmp_path: Path) -> None:
    longest = longest_name(tmp_path)
    (tmp_path / ("n" * longest)).touch()
    with pytest.raises(OSError, match="too long"):
        (tmp_path / ("n" * (longest + 1))).touch()
