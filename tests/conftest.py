"""What holds for all tests."""

import gc
import signal
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest
import shared


def pytest_configure() -> None:
    """Prepare signals, and what many tests would load again and again."""
    _take_back_signals()
    shared.share()


def _take_back_signals() -> None:
    """Take back the signals that a shell or ``nohup`` ignores for commands in the background: servers inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect garbage neither while tests are collected nor among them later: thousands of objects stay to the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let tests of real processes try again, and let several test processes begin with the longest files.

    Several real processes may meet a machine that is busy with something else: such a test gets a second try.
    """
    for item in items:
        if item.get_closest_marker("processes"):
            item.add_marker(pytest.mark.flaky(reruns=1, reruns_delay=2))
    if hasattr(config, "workerinput"):  # of pytest-xdist: a long file at the end would run alone
        tenths: Counter[Path] = Counter()
        for item in items:
            tenths[item.path] += _tenths(item)
        items.sort(key=lambda item: (-tenths[item.path], str(item.path)))


def _tenths(item: pytest.Item) -> int:
    """Guess how many tenths of a second a test takes, by what it declares."""
    if (limit := item.get_closest_marker("timeout")) is not None:
        return int(limit.args[0])
    return 40 if item.get_closest_marker("processes") else 3
