"""What pytest loads of ORBIT, by the entry point ``orbit``: fixtures that import nothing until a test uses them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from orbit import Provider
    from orbit.testing.hosting import RunningServer


class Serve(Protocol):
    """Runs a server until the test ends; see ``orbit.testing.serve``."""

    def __call__(self, config: Mapping[str, Any], plugins: Mapping[str, type[Provider]] | None = None) -> RunningServer:
        """Start a server with these sections of ``config.yaml``, and plugin classes by name."""
        ...


@pytest.fixture
def orbit_server(tmp_path: Path) -> Iterator[Serve]:
    """Start servers on real sockets, such as ``orbit_server({"parrot": {}}, {"parrot": Parrot})``."""
    from orbit.testing.hosting import serve  # noqa: PLC0415  # only suites that use it pay for it

    with ExitStack() as servers:
        started = 0

        def start(config: Mapping[str, Any], plugins: Mapping[str, type[Provider]] | None = None) -> RunningServer:
            nonlocal started
            started += 1
            return servers.enter_context(serve(config, tmp_path / f"orbit-{started}", plugins))

        yield start
