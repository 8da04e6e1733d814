"""What holds for all tests."""

import gc
import os
import signal
from collections import Counter
from collections.abc import Generator
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from ssl import SSLContext
from typing import Any

import pytest


def pytest_configure() -> None:
    """Prepare signals, and what many tests would load again and again."""
    _take_back_signals()
    _share_authorities()
    _share_static_embeddings()


def _take_back_signals() -> None:
    """Take back the signals that a shell or ``nohup`` ignores for commands in the background: servers inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def _share_authorities() -> None:
    """Let clients share the certificates that they trust by default: each would read them anew, for 20 ms of CPU."""
    for package in filter(find_spec, ("httpx", "httpx2")):  # the client of ``openai``
        _share_authorities_of(import_module(f"{package}._transports.default"))


def _share_authorities_of(transports: Any) -> None:
    make = transports.create_ssl_context

    @lru_cache
    def trusted(*sources: str | bool | None) -> SSLContext:
        made: SSLContext = make(trust_env=sources[0])
        return made

    def create_ssl_context(verify: Any = True, cert: Any = None, trust_env: bool = True) -> SSLContext:
        if verify is True and cert is None:
            return trusted(trust_env, os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
        made: SSLContext = make(verify, cert, trust_env)
        return made

    transports.create_ssl_context = create_ssl_context


def _share_static_embeddings() -> None:
    """Let servers of one process share the weights of ``orbit_wordllama``: each would load them for 0.2 s of CPU."""
    if not find_spec("orbit_wordllama"):
        return
    provider: Any = import_module("orbit_wordllama.provider")
    load = lru_cache(provider._load)
    provider._load = lambda settings, folders: load(settings, tuple(folders))


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
