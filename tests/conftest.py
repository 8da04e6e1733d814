"""What holds for all tests."""

import signal

import pytest


def pytest_configure() -> None:
    """Take back the signals that a shell or ``nohup`` ignores for commands in the background: servers inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Several real processes may meet a machine that is busy with something else: such a test gets a second try."""
    for item in items:
        if item.get_closest_marker("processes"):
            item.add_marker(pytest.mark.flaky(reruns=1, reruns_delay=2))
