"""What every provider promises, whatever its hooks: how it loads, starts, stops and tells its health."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import pytest_asyncio

from orbit import OrbitError, Provider
from orbit.testing.contract.promise import Promise
from orbit.testing.contract.subject import Subject, class_of, make_subject

Make: TypeAlias = Callable[..., Subject]
"""Makes a subject that is not started; given settings take the place of the fixture's."""


class ProviderContract:
    """Fixtures to override, and the rules of a provider's life. The contracts of the hooks are derived from it."""

    def __init_subclass__(cls) -> None:
        """Mark the ``async def`` tests of a contract class, so that pytest-asyncio needs no configuration."""
        super().__init_subclass__()
        for name, test in list(vars(cls).items()):
            if name.startswith("test_") and inspect.iscoroutinefunction(test):
                setattr(cls, name, pytest.mark.asyncio(loop_scope="function")(test))

    @pytest.fixture
    def plugin_name(self) -> str:
        """The name of the installed plugin's entry point."""
        return ""

    @pytest.fixture
    def provider_class(self, plugin_name: str) -> type[Provider]:
        """The class under test; only needed if no entry point names it."""
        if not plugin_name:
            pytest.fail("Override the fixture plugin_name (or provider_class) in the contract class.", pytrace=False)
        return class_of(plugin_name)

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        """The provider's section of the YAML file."""
        return {}

    @pytest.fixture
    def config(self) -> dict[str, Any]:
        """Other sections of the YAML file that it needs, such as other providers."""
        return {}

    @pytest.fixture
    def down_settings(self) -> dict[str, Any] | None:
        """Settings that name a service which is not there; None if the provider needs no service."""
        return None

    @pytest.fixture
    def open_connections(self) -> Callable[[], int] | None:
        """Tells how many connections to the service are open now, seen from the service."""
        return None

    @pytest.fixture
    def patience(self) -> float:
        """Seconds that the provider may take to let go of what a caller has given up."""
        return 5.0

    @pytest.fixture
    def promise(self, request: pytest.FixtureRequest, provider_class: type[Provider]) -> Promise:
        """The promise that the rule checks. Not to be overridden."""
        return Promise.of(provider_class.__name__, request.function)

    @pytest.fixture
    def make(
        self,
        provider_class: type[Provider],
        plugin_name: str,
        settings: dict[str, Any],
        config: dict[str, Any],
        tmp_path: Path,
    ) -> Make:
        """Makes the provider in a host, not started. Not to be overridden."""

        def made(other: Mapping[str, Any] | None = None) -> Subject:
            given = settings if other is None else other
            return make_subject(provider_class, plugin_name, given, config, tmp_path / "data")

        return made

    @pytest_asyncio.fixture(loop_scope="function")
    async def subject(self, make: Make, promise: Promise) -> AsyncIterator[Subject]:
        """The provider, started. Not to be overridden."""
        async with started(make(), promise) as subject:
            yield subject


@asynccontextmanager
async def started(subject: Subject, promise: Promise) -> AsyncIterator[Subject]:
    """Start a provider that must start; if it does not, the rule has failed."""
    stack = AsyncExitStack()
    try:
        await stack.enter_async_context(subject.host)
    except OrbitError as error:
        promise.broken(f"the provider did not start: {error}", "mend its settings or __aenter__")
    async with stack:
        yield subject
