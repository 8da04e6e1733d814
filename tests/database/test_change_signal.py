"""The signal by which processes announce changes."""

import pytest

from orbit.database.change_signal import SIZE, ChangeSignal


def test_a_change_is_seen_through_the_file(tmp_path):
    path = tmp_path / "changes"
    with ChangeSignal(path) as one, ChangeSignal(path) as other:
        before = one.read()
        assert before == other.read()
        assert len(before) == SIZE
        other.send()
        assert one.read() == other.read() != before
    assert (path.stat().st_size, path.stat().st_mode & 0o777) == (SIZE, 0o600)


def test_opening_is_a_change(tmp_path):
    with ChangeSignal(tmp_path / "changes") as one:
        before = one.read()
        with ChangeSignal(tmp_path / "changes"):
            assert one.read() != before


def test_a_folder_in_its_place_is_an_error(tmp_path):
    with pytest.raises(OSError, match="directory"), ChangeSignal(tmp_path):
        pass
