"""Ids and times of records."""

import re
import time

from orbit.database.keys import KeyChanges
from orbit.database.records import new_id, now, set_fields


def test_ids_are_different_and_sort_by_their_time(monkeypatch):
    ids = []
    for at in (1_000_000.0, 1_000_000.5, 1_000_001.0, 2_000_000.25):
        monkeypatch.setattr(time, "time", lambda: at)  # noqa: B023  # called before the loop goes on
        ids.append(new_id())
    assert ids == sorted(ids)
    assert all(re.fullmatch("[0-9a-f]{24}", one) for one in ids)
    assert len({new_id() for _ in range(100)}) == 100


def test_times_are_in_whole_milliseconds(monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1_000_000.123_456)
    assert now() == 1_000_000.123


def test_only_what_is_set_changes():
    assert set_fields(KeyChanges(notes="", expires_at=None)) == {"notes": "", "expires_at": None}
    assert set_fields(KeyChanges()) == {}
