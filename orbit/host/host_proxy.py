"""The host that providers hold: it leads to the configuration that the current request or task belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol


class Lendable(Protocol):
    """The providers of one configuration."""

    host_proxy: HostProxy
    closed: bool


_HERE: ContextVar[Lendable | None] = ContextVar("orbit_host", default=None)


class HostProxy:
    """Passes everything on to a host, which a reload replaces while some providers keep running.

    Requests that began before the reload still reach the host that they began with.
    """

    def __init__(self, newest: Lendable) -> None:
        self.newest = newest

    def __getattr__(self, name: str) -> Any:
        host = _HERE.get()
        return getattr(host if host is not None and host.host_proxy is self and not host.closed else self.newest, name)


def lend(host: Lendable) -> None:
    """Lead providers to ``host`` for the rest of the current task."""
    _HERE.set(host)


@contextmanager
def lending(host: Lendable) -> Iterator[None]:
    """Lead providers that the body calls to ``host``, even if it is not the newest."""
    token = _HERE.set(host)
    try:
        yield
    finally:
        _HERE.reset(token)
