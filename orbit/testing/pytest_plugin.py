"""ORBIT's pytest plugin (entry point ``orbit``). Its fixtures import nothing until a test uses them."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
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
        """Start a server with these sections of ``config.yaml`` and these plugin classes by name."""
        ...


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Turn an exception inside a contract rule into a sentence, such as one about None in place of a list."""
    try:
        return (yield)
    except Exception as error:
        if not pyfuncitem.function.__module__.startswith("orbit.testing.contract"):
            raise
        from orbit.testing.contract.promise import Promise, told  # noqa: PLC0415  # keeps the start of other suites fast

        promise = pyfuncitem.funcargs.get("promise")
        if not isinstance(promise, Promise):
            raise
        return promise.broken(
            f"what came cannot be used: {told(error)}", "mend first what the other rules say of the hook"
        )


@pytest.fixture
def orbit_server(tmp_path: Path) -> Iterator[Serve]:
    """Start servers on real sockets, for example ``orbit_server({"parrot": {}}, {"parrot": Parrot})``."""
    from orbit.testing.hosting import serve  # noqa: PLC0415  # keeps the start of other suites fast

    with ExitStack() as servers:
        started = 0

        def start(config: Mapping[str, Any], plugins: Mapping[str, type[Provider]] | None = None) -> RunningServer:
            nonlocal started
            started += 1
            return servers.enter_context(serve(config, tmp_path / f"orbit-{started}", plugins))

        yield start
