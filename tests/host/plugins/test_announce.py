"""A step that takes long is named in the log while it runs; a quick one is not."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import pytest

from orbit.host.plugins import announce
from orbit.host.plugins.announce import announced


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(announce, "SECONDS", 0.02)
    caplog.set_level(logging.WARNING, "orbit.plugins")


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_slow_step_is_named_again_after_twice_the_time(caplog: pytest.LogCaptureFixture) -> None:
    with announced("starting chroma", "; it may take up to 60 s"):
        wait_for(lambda: len(caplog.messages) >= 3)
    assert caplog.messages[:3] == [
        f"still starting chroma after {seconds} s; it may take up to 60 s" for seconds in ("0.02", "0.04", "0.08")
    ]


def test_a_quick_step_is_not_named_and_leaves_no_thread(caplog: pytest.LogCaptureFixture) -> None:
    with announced("starting chroma"):
        pass
    assert caplog.messages == []
    assert not any(thread.name == "orbit-announce" for thread in threading.enumerate())


def test_a_step_that_fails_is_not_named_any_longer() -> None:
    def fail() -> None:
        with announced("starting chroma"):
            raise OSError("no")

    with pytest.raises(OSError, match="no"):
        fail()
    assert not any(thread.name == "orbit-announce" for thread in threading.enumerate())
