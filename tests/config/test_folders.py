"""Files and folders that the server's user cannot write are found before the start."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orbit.config.folders import file_problems, folder_problems, under_data

as_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everything")


def told(problems: list[object]) -> str:
    return " ".join(map(str, problems))


def test_what_can_be_written_is_no_problem_and_nothing_is_made(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    assert folder_problems("s", tmp_path / "new" / "newer") == []
    assert file_problems("s", tmp_path / "new" / "file") == []
    assert file_problems("s", tmp_path / "there") == []
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_a_file_in_the_way_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for problems in (folder_problems("s", tmp_path / "file" / "data"), file_problems("s", tmp_path / "file" / "db")):
        assert told([*problems]).endswith(f"cannot be used: {tmp_path / 'file'} is not a folder.")


def test_a_folder_in_the_way_of_a_file(tmp_path: Path) -> None:
    assert told([*file_problems("sqlite.path", tmp_path)]) == (
        f"sqlite.path: the file {tmp_path} cannot be used: this is a folder."
    )


@pytest.mark.parametrize(
    ("name", "reason"), [("n" * 300, "a part of its name is too long"), ("nul\0", "its name cannot be used")]
)
def test_a_name_that_no_file_system_takes(tmp_path: Path, name: str, reason: str) -> None:
    assert told([*folder_problems("general.data_dir", tmp_path / name)]).endswith(f"cannot be used: {reason}.")
    assert file_problems("s", tmp_path / name / "file")


def test_a_file_whose_own_name_is_impossible(tmp_path: Path) -> None:
    assert "its name cannot be used" in told([*file_problems("s", tmp_path / "nul\0")])


@as_root
def test_what_may_not_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch(0o400)
    tmp_path.chmod(0o500)
    assert "it is not writable" in told([*file_problems("s", tmp_path / "file")])
    assert f"{tmp_path} is not writable" in told([*folder_problems("s", tmp_path / "data")])
    tmp_path.chmod(0o700)


def test_a_system_that_cannot_be_written_whoever_asks() -> None:
    if not Path("/proc/self").exists():
        pytest.skip("no file system that nobody can write")
    assert folder_problems("s", Path("/proc/self/data"))


def test_relative_paths_start_at_the_data_folder_unless_the_earlier_place_is_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert under_data("logs", Path("data")) == tmp_path / "data" / "logs"
    assert under_data(str(tmp_path / "x"), Path("data")) == tmp_path / "x"
    (tmp_path / "logs").mkdir()
    assert under_data("logs", Path("data")) == tmp_path / "logs"
    assert under_data("logs", Path("data"), lambda place: any(place.iterdir())) == tmp_path / "data" / "logs"
