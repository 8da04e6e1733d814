"""The fixtures that all contracts share: the provider under test, its settings, and its surroundings."""

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
"""Makes a subject without starting it.

Its ``other`` settings replace those of the fixture. ``beside`` adds plugins of the kit that run in the same host.
"""


class ContractFixtures:
    """Shared fixtures. Override those before ``promise``; the rest belong to the kit."""

    def __init_subclass__(cls) -> None:
        """Mark the ``async def`` tests of a contract class, so that pytest-asyncio needs no configuration."""
        super().__init_subclass__()
        for name, test in list(vars(cls).items()):
            if name.startswith("test_") and inspect.iscoroutinefunction(test):
                setattr(cls, name, pytest.mark.asyncio(loop_scope="function")(test))

    @pytest.fixture
    def plugin_name(self) -> str:
        """Return the name of the installed plugin's entry point."""
        return ""

    @pytest.fixture
    def provider_class(self, plugin_name: str) -> type[Provider]:
        """Return the class under test. Override only for a class without an entry point."""
        if not plugin_name:
            pytest.fail("Override the fixture plugin_name (or provider_class) in the contract class.", pytrace=False)
        return class_of(plugin_name)

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        """Return the provider's section of the YAML file."""
        return {}

    @pytest.fixture
    def config(self) -> dict[str, Any]:
        """Return the other sections of the YAML file that the provider needs, such as other providers."""
        return {}

    @pytest.fixture
    def plugins(self) -> dict[str, type[Provider]]:
        """Return other plugin classes that ``config`` uses, by name. Installed plugins and the fakes need no entry."""
        return {}

    @pytest.fixture
    def down_settings(self) -> dict[str, Any] | None:
        """Return settings that point to an unreachable service, or None if the provider needs no service."""
        return None

    @pytest.fixture
    def secret_settings(self) -> Sequence[str]:
        """Return names of secret settings, besides those called key, password, token, secret or credentials."""
        return ()

    @pytest.fixture
    def open_connections(self) -> Callable[[], int] | None:
        """Return a function that counts the service's open connections, or None if nothing can count them."""
        return None

    @pytest.fixture
    def patience(self) -> float:
        """Return how many seconds the provider may take to stop work that its caller has abandoned."""
        return 5.0

    @pytest.fixture
    def promise(self, request: pytest.FixtureRequest, provider_class: type[Provider]) -> Promise:
        """Return the promise that the rule checks."""
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
        """Return a function that makes the provider in a host without starting it."""

        def made(other: Mapping[str, Any] | None = None, beside: Mapping[str, type[Provider]] | None = None) -> Subject:
            given, also = settings if other is None else other, beside or {}
            sections = {**config, **{name: {} for name in also}}
            return make_subject(provider_class, plugin_name, given, sections, {**plugins, **also}, tmp_path / "data")

        return made

    @pytest.fixture
    def make_down(self, make: Make, promise: Promise, down_settings: dict[str, Any] | None) -> Callable[[], Subject]:
        """Return a function like ``make``, with the service down. Skips the rule if the provider has no service."""
        if down_settings is None:
            promise.untold("since down_settings is None: the provider needs no service")
        return lambda: make(down_settings)

    @pytest_asyncio.fixture(loop_scope="function")
    async def subject(self, make: Make, promise: Promise) -> AsyncIterator[Subject]:
        """Start the provider for the test."""
        async with started(make(), promise) as subject:
            yield subject

    @pytest_asyncio.fixture(loop_scope="function")
    async def down(self, make_down: Callable[[], Subject], promise: Promise) -> AsyncIterator[Subject]:
        """Start the provider with its service down. Skips the rule if the provider does not start then."""
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
    """Start the provider. Fails the rule if the provider does not start."""
    stack = AsyncExitStack()
    try:
        await stack.enter_async_context(subject.host)
    except OrbitError as error:
        sentence = str(error).rstrip(".")
        promise.broken(f"the provider does not start: {sentence}", "mend what that names, or the fixture settings")
    async with stack:
        yield subject
