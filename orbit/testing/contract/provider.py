"""The contract of every provider, whatever its hooks: import, start, stop and health."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import pytest

from orbit import Health, OrbitError, Provider
from orbit.testing.contract import secrets
from orbit.testing.contract.calls import answered
from orbit.testing.contract.fixtures import ContractFixtures, Make, started
from orbit.testing.contract.fresh_import import look
from orbit.testing.contract.leftovers import left, new, running, until
from orbit.testing.contract.promise import Promise, kind, told
from orbit.testing.contract.subject import Subject

IMPORT_SECONDS: Final = 0.1
_UNIT_SECONDS: Final = 0.06
"""Time to import orbit and asyncio on an idle machine. On a slower machine the plugin may take longer, too."""

_STATES: Final = ("ok", "degraded", "down")


class BaseProviderContract(ContractFixtures):
    """The rules for import, start, stop and health.

    The contracts of the hooks derive from this class. A provider with only routes or commands needs no other contract.
    """

    def test_import_is_cheap(
        self, promise: Promise, provider_class: type[Provider], request: pytest.FixtureRequest
    ) -> None:
        """Importing the plugin takes less than 0.1 s of processor time and imports nothing heavy."""
        seen = _look(provider_class, request, promise)
        if seen["error"]:
            promise.broken(f"importing it failed: {seen['error']}", "mend what that names")
        if seen["heavy"]:
            promise.broken(
                f"it imported {', '.join(seen['heavy'])}",
                "import that inside the functions that need it, and for annotations under `if TYPE_CHECKING:`",
            )
        if not _is_quick(seen):
            promise.broken(
                f"it took {seen['seconds']:.2f} s", "see `python -X importtime -c 'import ...'` for what does"
            )

    def test_import_does_nothing(
        self, promise: Promise, provider_class: type[Provider], request: pytest.FixtureRequest
    ) -> None:
        """Importing the plugin opens, writes, starts and prints nothing."""
        seen = _look(provider_class, request, promise)
        if seen["did"]:
            promise.broken(" and ".join(seen["did"][:3]), "do that in __aenter__")

    async def test_making_opens_nothing(self, promise: Promise, make: Make) -> None:
        """A provider that is not started has opened nothing and runs nothing."""
        make()  # does not count what the imports leave open
        before = running()
        subject = make()
        if found := new(before):
            promise.broken(f"there is {found[0]}", "move that from __init__ or validate() to __aenter__")
        del subject

    async def test_starting_again_works(self, promise: Promise, make: Make) -> None:
        """After a stop, the same settings and data start again."""
        async with started(make(), promise):
            pass
        async with started(make(), promise) as subject:
            health = await answered(promise, subject.provider.health)
            if isinstance(health, Health) and health.status == "down":
                promise.broken(f"it is down then: {health.detail}", "release in __aexit__ what __aenter__ takes")

    async def test_stopping_leaves_nothing(self, promise: Promise, make: Make, patience: float) -> None:
        """A stopped provider has closed everything it opened, and runs nothing."""
        async with started(make(), promise):
            pass  # libraries may open something once for the whole process
        before = running()
        async with started(make(), promise):
            pass
        if still := await left(before, patience):
            promise.broken(f"{still} was left {patience:g} s later", "close or await it in __aexit__")

    async def test_stopping_closes_connections(
        self, promise: Promise, make: Make, open_connections: Callable[[], int] | None, patience: float
    ) -> None:
        """A stopped provider has no connection to its service."""
        if open_connections is None:
            promise.untold("since open_connections is None")
        async with started(make(), promise) as subject:
            await answered(promise, subject.provider.health)
        if not await until(lambda: open_connections() == 0, patience):
            promise.broken(f"{open_connections()} were open {patience:g} s later", "close the client in __aexit__")

    async def test_stopping_succeeds(self, promise: Promise, make: Make, caplog: pytest.LogCaptureFixture) -> None:
        """A provider stops without an error, within its deadline."""
        async with started(make(), promise):
            caplog.clear()
        for record in caplog.records:
            if record.name == "orbit.plugins" and "did not stop cleanly" in record.message:
                promise.broken(record.message.rstrip("."), "mend __aexit__")

    async def test_health_is_told(self, promise: Promise, subject: Subject) -> None:
        """`health` returns an orbit.Health, which is not `down` right after a start."""
        health = await answered(promise, subject.provider.health)
        _is_health(promise, health)
        if health.status == "down":
            promise.broken(f"it is down: {health.detail or 'no detail'}", "mend health(), or the fixture settings")

    async def test_health_while_down(self, promise: Promise, down: Subject) -> None:
        """While its service is down, the provider's health is `down` or `degraded`, with a detail."""
        health = await answered(promise, down.provider.health)
        _is_health(promise, health)
        if health.status == "ok" or not health.detail:
            promise.broken(f"it returned {health}", 'ask the service, and return orbit.Health("down", "a sentence")')

    async def test_starting_while_down(
        self, promise: Promise, make_down: Callable[[], Subject], patience: float
    ) -> None:
        """While its service is down, the provider starts or says why not, and leaves nothing behind."""
        await _start_and_stop(promise, make_down())
        before = running()
        await _start_and_stop(promise, make_down())
        if still := await left(before, patience):
            promise.broken(
                f"{still} was left {patience:g} s later",
                "close in __aenter__ what it has opened before it raises: __aexit__ is not called then",
            )

    async def test_secrets_are_kept(
        self,
        promise: Promise,
        make: Make,
        provider_class: type[Provider],
        settings: dict[str, Any],
        down_settings: dict[str, Any] | None,
        secret_settings: Sequence[str],
    ) -> None:
        """No secret of the settings shows: not in sentences of `validate`, not in `health`, not in errors."""
        checked = False
        for given in (settings, *([] if down_settings is None else [down_settings])):
            for planted in secrets.planted(provider_class, given, secret_settings):
                checked = True
                for place, text in await secrets.said(make(planted)):
                    if secrets.MARK in text:
                        promise.broken(
                            f"{place} has one ({' '.join(text.split())[:120]})",
                            "name the setting instead of its value, and show addresses with orbit.upstreams.shown",
                        )
        if not checked:
            promise.untold("since no setting is a URL or has a secret's name; others stand in secret_settings")

    async def test_metrics_are_numbers(self, promise: Promise, subject: Subject) -> None:
        """`metrics` returns numbers by name."""
        figures: Any = subject.provider.metrics()
        right = isinstance(figures, Mapping) and all(
            isinstance(name, str) and isinstance(value, int | float) for name, value in figures.items()
        )
        if not right:
            promise.broken(f"it returned {figures!r}", 'return a dict such as {"hits_total": 3}')

    async def test_words_are_text(self, promise: Promise, subject: Subject) -> None:
        """`validate` returns sentences, and `exclusive`, `model` and `refuses_model` return text."""
        provider = subject.provider
        sentences: Any = provider.validate()
        for name, value in (
            ("exclusive", provider.exclusive()),
            ("model", provider.model("generate")),
            ("refuses_model", provider.refuses_model("no-such-model")),
            *(("validate", sentence) for sentence in ([None] if isinstance(sentences, str) else sentences)),
        ):
            if not isinstance(value, str):
                promise.broken(f"{name} gave {kind(value)}", "return text, and of validate a list of texts")


def _is_quick(seen: Mapping[str, Any]) -> bool:
    return bool(seen["seconds"] <= IMPORT_SECONDS * max(1.0, seen["unit"] / _UNIT_SECONDS))


@functools.cache
def _look_once(module: str, file: str, path: tuple[str, ...]) -> dict[str, Any]:
    """Import a module in up to three fresh interpreters, until one import is quick. Return the best result."""
    best = look(module, file, list(path))
    for _ in range(2):
        if best["error"] or _is_quick(best):
            break
        best = min(best, look(module, file, list(path)), key=lambda seen: seen["seconds"])  # type: ignore[arg-type,return-value]  # floats
    return best


def _look(kind: type[Provider], request: pytest.FixtureRequest, promise: Promise) -> dict[str, Any]:
    file = inspect.getfile(kind)
    if file == str(request.path):
        promise.untold("since the class stands in the test itself")
    return _look_once(kind.__module__, file, tuple(sys.path))


async def _start_and_stop(promise: Promise, subject: Subject) -> None:
    try:
        async with subject.host:
            pass
    except OrbitError as error:
        cause = error.__cause__
        if cause is not None and not isinstance(cause, OrbitError | OSError):
            promise.broken(f"__aenter__ raised {told(cause)}", "raise orbit.ProviderError or orbit.ConfigError instead")


def _is_health(promise: Promise, health: Any) -> None:
    if not isinstance(health, Health):
        promise.broken(f"it returned {kind(health)}", 'return orbit.Health("ok")')
    if health.status not in _STATES or not isinstance(health.detail, str):
        promise.broken(f"it returned {health}", f"the status is one of {', '.join(_STATES)}, the detail text")
