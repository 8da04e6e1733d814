"""What is left of a limit, and the headers that say so."""

import pytest

from orbit.database.quota import quota, window_start


@pytest.mark.parametrize(
    ("counts", "remaining", "reset"),
    [
        ([], 3, 61),
        ([(100, 1)], 2, 1),
        ([(101, 1), (160, 1)], 1, 2),
        ([(130, 3)], 0, 31),
        ([(130, 5)], 0, 31),
        ([(90, 1)], 2, 1),
    ],
)
def test_what_is_left(counts, remaining, reset):
    left = quota(3, counts, 160.9, allowed=True)
    assert (left.allowed, left.limit, left.remaining, left.reset, left.second) == (True, 3, remaining, reset, 160)


def test_headers():
    assert dict(quota(3, [(150, 2)], 160.0, allowed=True).headers()) == {
        b"ratelimit-limit": b"3",
        b"ratelimit-remaining": b"1",
        b"ratelimit-reset": b"51",
        b"ratelimit-policy": b"3;w=60",
    }


def test_the_window_is_a_minute():
    assert window_start(160.9) == 100
