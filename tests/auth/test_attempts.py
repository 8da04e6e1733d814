"""Failed attempts of an address are counted by all workers together, within a file of fixed size."""

import os
import time

from orbit.auth.attempts import Attempts

TOKEN = "the-administrators-own-token"


def test_attempts_of_one_address_do_not_count_for_another(tmp_path):
    attempts = Attempts(tmp_path / "attempts", TOKEN, burst=3)
    assert [attempts.allow("a") for _ in range(5)] == [True] * 3 + [False] * 2
    assert attempts.allow("b")


def test_attempts_are_counted_again_after_somebody_deleted_the_file(tmp_path):
    attempts = Attempts(tmp_path / "attempts", TOKEN, burst=3)
    (tmp_path / "attempts").unlink()
    assert [attempts.allow("a") for _ in range(5)] == [True] * 3 + [False] * 2


def test_no_number_of_addresses_makes_the_file_grow(tmp_path):
    file = tmp_path / "attempts"
    attempts = Attempts(file, TOKEN, slots=5)
    for number in range(100):
        attempts.allow(str(number))
    assert (file.stat().st_size, file.stat().st_mode & 0o777) == (40, 0o600)


def test_a_clock_that_was_set_back_locks_nobody_out(tmp_path, monkeypatch):
    attempts = Attempts(tmp_path / "attempts", TOKEN, burst=3)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 1e6)
    while attempts.allow("a"):
        pass
    monkeypatch.setattr(time, "time", lambda: now)
    assert attempts.allow("a")


def test_workers_count_together_and_an_address_may_fail_again_after_a_second(tmp_path, monkeypatch):
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    workers = [Attempts(tmp_path / "attempts", TOKEN) for _ in range(2)]
    assert [workers[number % 2].allow("a") for number in range(22)] == [True] * 20 + [False] * 2
    for passed, allowed in ((0.9, 0), (1.0, 1), (3.0, 2), (3.9, 0), (30.0, 20)):
        monkeypatch.setattr(time, "time", lambda: now + passed)  # noqa: B023  # called before the loop goes on
        assert [workers[0].allow("a") for _ in range(allowed + 1)] == [True] * allowed + [False], passed


def test_which_addresses_share_a_slot_depends_on_the_token(tmp_path):
    def slots(token):
        file = tmp_path / token
        Attempts(file, token, slots=256).allow("10.0.0.1")
        return [index for index, byte in enumerate(file.read_bytes()) if byte]

    assert slots("one") == slots("one") != slots("two")


def test_the_file_and_its_folder_are_the_owners_alone(tmp_path):
    file = tmp_path / "a" / "b" / "attempts"
    Attempts(file, TOKEN)
    assert file.stat().st_size == 8 * 4096
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    file.write_bytes(b"")
    Attempts(file, TOKEN)
    assert file.stat().st_size == 8 * 4096


def test_a_longer_file_of_earlier_settings_keeps_its_length(tmp_path):
    file = tmp_path / "attempts"
    Attempts(file, TOKEN, slots=10)
    Attempts(file, TOKEN, slots=5)
    assert file.stat().st_size == 80


def test_an_attempt_that_cannot_be_counted_is_refused(tmp_path, monkeypatch):
    attempts = Attempts(tmp_path / "attempts", TOKEN)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        assert not attempts.allow("a")
    assert attempts.allow("a")
    (tmp_path / "attempts").unlink()
    (tmp_path / "attempts").mkdir()
    assert not attempts.allow("a")
    assert len(os.listdir("/proc/self/fd")) < 200  # noqa: PTH208  # no descriptor is left open
