"""The fixtures that all contracts share: which provider, with which settings, and what is there around it."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import pytest_asyncio

from orbit import OrbitError, Provider
from orbit.testing.contract.promise import Promise
from orbit.testing.contract.subject import Subject, class_of, make_subject

Make: TypeAlias = Callable[..., Subject]
"""Makes a subject that is not started.

Settings given to it take the place of the fixture's. ``beside`` has plugins of the kit's own that run in the same host.
"""


class ContractFixtures:
    """Override what stands before ``promise``; the rest is the kit's own."""

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
        """The class under test; to be given only if no entry point names it."""
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
    def plugins(self) -> dict[str, type[Provider]]:
        """Classes of other plugins that ``config`` uses, by name; installed plugins and the fakes are there anyway."""
        return {}

    @pytest.fixture
    def down_settings(self) -> dict[str, Any] | None:
        """Settings that name a service which is not there; None if the provider needs no service."""
        return None

    @pytest.fixture
    def secret_settings(self) -> Sequence[str]:
        """Names of settings that hold secrets, besides those called key, password, token, secret or credentials."""
        return ()

    @pytest.fixture
    def open_connections(self) -> Callable[[], int] | None:
        """Tells how many connections the service has open now; None if there is no service or it cannot tell."""
        return None

    @pytest.fixture
    def patience(self) -> float:
        """Seconds that the provider may take to let go of what its caller has given up."""
        return 5.0

    @pytest.fixture
    def promise(self, request: pytest.FixtureRequest, provider_class: type[Provider]) -> Promise:
        """The promise that the rule checks."""
        return Promise.of(provider_class.__name__, request.function)

    @pytest.fixture
    def make(
        self,
        provider_class: type[Provider],
        plugin_name: str,
        settings: dict[str, Any],
        config: dict[str, Any],
        plugins: dict[str, type[Provider]],
        tmp_path: Path,
    ) -> Make:
        """Makes the provider in a host, not started."""

        def made(other: Mapping[str, Any] | None = None, beside: Mapping[str, type[Provider]] | None = None) -> Subject:
            given, also = settings if other is None else other, beside or {}
            sections = {**config, **{name: {} for name in also}}
            return make_subject(provider_class, plugin_name, given, sections, {**plugins, **also}, tmp_path / "data")

        return made

    @pytest.fixture
    def make_down(self, make: Make, promise: Promise, down_settings: dict[str, Any] | None) -> Callable[[], Subject]:
        """Makes the provider with its service down, not started. Skips the rule if it has no service."""
        if down_settings is None:
            promise.untold("since down_settings is None: the provider needs no service")
        return lambda: make(down_settings)

    @pytest_asyncio.fixture(loop_scope="function")
    async def subject(self, make: Make, promise: Promise) -> AsyncIterator[Subject]:
        """The provider, started."""
        async with started(make(), promise) as subject:
            yield subject

    @pytest_asyncio.fixture(loop_scope="function")
    async def down(self, make_down: Callable[[], Subject], promise: Promise) -> AsyncIterator[Subject]:
        """The provider, started with its service down. Skips the rule if it does not start then."""
        subject = make_down()
        stack = AsyncExitStack()
        try:
            await stack.enter_async_context(subject.host)
        except OrbitError as error:
            promise.untold(f"since the provider does not start while its service is down ({error})")
        async with stack:
            yield subject


@asynccontextmanager
async def started(subject: Subject, promise: Promise) -> AsyncIterator[Subject]:
    """Start a provider that must start; if it does not, the rule has failed."""
    stack = AsyncExitStack()
    try:
        await stack.enter_async_context(subject.host)
    except OrbitError as error:
        sentence = str(error).rstrip(".")
        promise.broken(f"the provider does not start: {sentence}", "mend what that names, or the fixture settings")
    async with stack:
        yield subject
