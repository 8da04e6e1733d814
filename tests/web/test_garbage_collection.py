"""The garbage collector leaves start-up objects alone while the server runs, and only then."""

import gc

import pytest

from orbit.web.garbage_collection import settled


def test_start_up_objects_are_out_of_reach_until_the_end() -> None:
    gc.unfreeze()  # what collecting the tests froze
    thresholds = gc.get_threshold()
    with settled():
        assert gc.get_freeze_count() > 1000
        assert gc.get_threshold()[0] > thresholds[0]
        assert gc.isenabled()
    assert (gc.get_threshold(), gc.get_freeze_count()) == (thresholds, 0)


def test_a_failing_server_gives_them_back_too() -> None:
    thresholds = gc.get_threshold()
    with pytest.raises(OSError, match="no"), settled():
        raise OSError("no")
    assert (gc.get_threshold(), gc.get_freeze_count()) == (thresholds, 0)
